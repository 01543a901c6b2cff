"""Every route with who may call it: one table, from which the application, the checks and the tests are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PREFIX: Final = "/api/v1"
#: The scope of a viewer.
READ: Final = "read"


class Scope(StrEnum):
    """Who may call a route."""

    #: Anybody, from any host name: health.
    ANYONE = "anyone"
    #: A browser that has not signed in yet: the page itself, and signing in and out.
    STRANGER = "stranger"
    #: A user's token; a viewer's, which is to change nothing, for what is asked with GET.
    USER = "user"
    #: A worker's token.
    WORKER = "worker"
    #: Either.
    BOTH = "both"
    #: That of a provisioner which the server starts, or a user's.
    PROVISIONER = "provisioner"

    def admits(self, scope: str, method: str) -> bool:
        """Whether a token of that scope is enough to ask with that method."""
        if scope == READ:
            return self in (Scope.USER, Scope.BOTH) and method == "GET"
        match self:
            case Scope.BOTH:
                return scope in (Scope.USER, Scope.WORKER)
            case Scope.PROVISIONER:
                return scope in (Scope.USER, Scope.PROVISIONER)
            case _:
                return self == scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route."""

    method: str
    path: str
    handler: Handler
    scope: Scope
