"""Every route with who may call it: one table, from which the application, the checks and the tests are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PREFIX: Final = "/api/v1"


class Scope(StrEnum):
    """Who may call a route."""

    #: Anybody, from any host name: health.
    ANYONE = "anyone"
    #: A user's token.
    USER = "user"
    #: A worker's token.
    WORKER = "worker"
    #: Either.
    BOTH = "both"

    def admits(self, scope: str) -> bool:
        """Whether a token of that scope is enough."""
        return self in (Scope.ANYONE, Scope.BOTH) or self == scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route."""

    method: str
    path: str
    handler: Handler
    scope: Scope
