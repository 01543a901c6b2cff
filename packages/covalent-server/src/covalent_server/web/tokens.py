"""Routes of the tokens of pools: one more, which there are, and one less."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from covalent.wire.pool_tokens import NewToken, TokenId
from covalent_server.web.keys import CALLER, ENGINE
from covalent_server.web.routing import PREFIX, Route, Scope
from covalent_server.web.validation import json_answer, record

_NEW: Final = msgspec.json.Decoder(NewToken)
_ID: Final = msgspec.json.Decoder(TokenId)


async def listing(request: web.Request) -> web.Response:
    """The tokens of the caller's pools, none of which is told."""
    return json_answer(await request.app[ENGINE].tokens.listing(request[CALLER].owner))


async def issue(request: web.Request) -> web.Response:
    """A token for the workers of a pool; told in this answer alone."""
    wanted = await record(request, _NEW)
    return json_answer(await request.app[ENGINE].tokens.issue(request[CALLER].owner, wanted), status=201)


async def revoke(request: web.Request) -> web.Response:
    """End a token."""
    which = await record(request, _ID)
    return json_answer(await request.app[ENGINE].tokens.revoke(request[CALLER].owner, which.id))


ROUTES: Final = (
    Route(method="GET", path=f"{PREFIX}/tokens", handler=listing, scope=Scope.USER),
    Route(method="POST", path=f"{PREFIX}/tokens", handler=issue, scope=Scope.USER),
    Route(method="POST", path=f"{PREFIX}/tokens/revoke", handler=revoke, scope=Scope.USER),
)
