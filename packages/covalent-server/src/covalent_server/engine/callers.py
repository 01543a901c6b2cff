"""Who asks, and by what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks."""

    owner: str
    #: ``user``, ``worker`` or ``provisioner``, or of a browser that is to change nothing ``read``.
    scope: str
    #: Of a worker that its user has started: the pool that it runs tasks of, by its name.
    pool: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a request was let in by."""

    #: The token's digest.
    token: str
    #: The session's, when it was a cookie.
    session: str | None = None
