"""Pools of workers that users start themselves: the tokens that such workers report with, and their end."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Final

from covalent.wire.pool_tokens import IssuedToken, NewToken, TokenList, TokenRecord, check_pool
from covalent_server.core.errors import UnknownTokenError
from covalent_server.core.planning import check_text
from covalent_server.db import identity
from covalent_server.engine.callers import Caller
from covalent_server.engine.shared import Shared, now

if TYPE_CHECKING:
    from covalent_server.engine.workplace import Workplace

#: 256 bits.
_TOKEN_BYTES: Final = 32
#: Of the digest, the characters that a token is known by.
_ID_LENGTH: Final = 16


class PoolTokens:
    """The tokens of pools."""

    def __init__(self, shared: Shared, callers: dict[str, Caller], workplace: Workplace) -> None:
        """``callers`` are those of all tokens in force, by digest; what is done here is done to it."""
        self._shared = shared
        self._callers = callers
        self._workplace = workplace

    async def issue(self, owner: str, wanted: NewToken) -> IssuedToken:
        """A token for workers of one of the owner's pools; answered after the commit, and never told again."""
        pool = check_pool(wanted.pool, "$.pool")
        check_text(wanted.name, "$.name")
        text = secrets.token_urlsafe(_TOKEN_BYTES)
        row = identity.TokenRow(
            digest=identity.token_digest(text), owner=owner, scope="worker", pool=pool, name=wanted.name
        )
        await self._shared.write(lambda session: identity.add_token(session, row, now()))
        self._callers[row.digest] = Caller(owner=owner, scope="worker", pool=pool)
        return IssuedToken(id=row.digest[:_ID_LENGTH], token=text, pool=pool)

    async def listing(self, owner: str) -> TokenList:
        """Those that are in force."""
        rows = await self._shared.read(partial(identity.pool_tokens, owner=owner))
        return TokenList(
            tokens=tuple(
                TokenRecord(
                    id=row.digest[:_ID_LENGTH],
                    pool=row.pool or "",
                    name=row.name,
                    created_at=row.created_at,
                    workers=len(self._workplace.reporting_with(row.digest)),
                )
                for row in rows
            )
        )

    async def revoke(self, owner: str, token_id: str) -> TokenList:
        """End a token: from now on it lets nobody in, and what its workers hold goes to others. Those that are left."""
        rows = await self._shared.read(partial(identity.pool_tokens, owner=owner))
        row = next((row for row in rows if row.digest[:_ID_LENGTH] == token_id), None)
        if row is None:
            raise UnknownTokenError(token_id)
        self._callers.pop(row.digest, None)
        await self._shared.write(lambda session: identity.revoke_token(session, row.digest, now()))
        await self._workplace.dismiss(self._workplace.reporting_with(row.digest))
        return await self.listing(owner)
