"""How a browser signs in: a code is exchanged for a cookie."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SessionScope(StrEnum):
    """What a browser that has signed in may do."""

    #: Whatever the token may that it signed in with.
    USER = "user"
    #: Look, and change nothing.
    READ = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRequest:
    """A code is wanted."""

    scope: SessionScope = SessionScope.USER


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInCode:
    """A code that is good for one use, and not for long."""

    code: str
    #: Seconds since the epoch.
    expires_at: float
    #: Where a browser uses it.
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """What a browser signs in with: one of the two."""

    code: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """Who asks."""

    owner: str
    #: ``user``, or ``read`` for who may change nothing.
    scope: str
    #: Of a browser that has signed in: when, and until when.
    created_at: float | None = None
    expires_at: float | None = None
