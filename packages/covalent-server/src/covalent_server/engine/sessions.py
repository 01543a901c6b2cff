"""Signing in with a browser, which can keep a cookie but not send a header with everything that it asks.

Whoever holds a token asks for a *code*: random, good for one use within minutes, and kept in memory as a digest alone.
It is exchanged for a *session*, which a cookie names from then on. A session is worth what its token is worth, and
nothing once that is revoked; the database has the cookie's digest, so that it outlives a restart.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from covalent_server.db import sessions
from covalent_server.db.identity import token_digest
from covalent_server.engine.callers import Caller, Credential
from covalent_server.engine.shared import Shared, monotonic, now

#: Seconds for which a code can be used.
CODE_SECONDS: Final = 300.0
#: Seconds for which a browser stays signed in.
SESSION_SECONDS: Final = 7 * 86400.0
#: Codes that are out at a time; the oldest give way.
MAX_CODES: Final = 1000
#: 256 bits.
_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code as it is given out."""

    text: str
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Issued:
    token: str
    scope: str
    #: By the monotonic clock.
    deadline: float


class Sessions:
    """The browsers that have signed in."""

    def __init__(self, shared: Shared, in_force: Callable[[str], Caller | None]) -> None:
        """Know nobody yet; ``in_force`` tells of a token's digest whose it is."""
        self._shared = shared
        self._in_force = in_force
        self._codes: dict[str, _Issued] = {}
        self._sessions: dict[str, sessions.SessionRow] = {}

    async def recover(self) -> None:
        """Know again who had signed in."""
        self._sessions = {row.digest: row for row in await self._shared.read(sessions.all_of_them)}

    def issue(self, token: str, scope: str) -> Code:
        """A code for a session of the token with this digest."""
        at = monotonic()
        self._codes = {digest: code for digest, code in self._codes.items() if code.deadline > at}
        while len(self._codes) >= MAX_CODES:
            del self._codes[next(iter(self._codes))]
        text = secrets.token_urlsafe(_SECRET_BYTES)
        self._codes[token_digest(text)] = _Issued(token=token, scope=scope, deadline=at + CODE_SECONDS)
        return Code(text=text, expires_at=now() + CODE_SECONDS)

    async def exchange(self, code: str) -> tuple[str, sessions.SessionRow] | None:
        """The cookie and the session that a code is good for; None when it is good for nothing, or not any more."""
        issued = self._codes.pop(token_digest(code), None)
        if issued is None or issued.deadline <= monotonic():
            return None
        return await self.begin(issued.token, issued.scope)

    async def begin(self, token: str, scope: str) -> tuple[str, sessions.SessionRow] | None:
        """A new cookie and its session for the token with this digest; None when that is not in force."""
        if self._in_force(token) is None:
            return None
        cookie, at = secrets.token_urlsafe(_SECRET_BYTES), now()
        row = sessions.SessionRow(
            digest=token_digest(cookie), token=token, scope=scope, created_at=at, expires_at=at + SESSION_SECONDS
        )
        await self._shared.write(lambda session: sessions.add(session, row))
        self._sessions = {digest: known for digest, known in self._sessions.items() if known.expires_at > at}
        self._sessions[row.digest] = row
        return cookie, row

    def find(self, digest: str) -> sessions.SessionRow | None:
        """The session with this digest, None when there is none or its time is over."""
        row = self._sessions.get(digest)
        return row if row is not None and row.expires_at > now() else None

    def caller(self, credential: Credential) -> Caller | None:
        """Whose a credential is; None once it is worth nothing."""
        caller = self._in_force(credential.token)
        if caller is None or credential.session is None:
            return caller
        row = self.find(credential.session)
        return None if row is None else replace(caller, scope=row.scope)

    async def end(self, digest: str) -> None:
        """Sign a browser out."""
        if self._sessions.pop(digest, None) is not None:
            await self._shared.write(lambda session: sessions.end(session, digest))
