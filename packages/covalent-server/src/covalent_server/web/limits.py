"""Routes of limits: which there are, one more or another number, and their end."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from covalent.wire.limits import Limit, LimitName
from covalent_server.engine import limits
from covalent_server.web.keys import CALLER, ENGINE
from covalent_server.web.routing import PREFIX, Route, Scope
from covalent_server.web.validation import json_answer, record

_LIMIT: Final = msgspec.json.Decoder(Limit)
_NAME: Final = msgspec.json.Decoder(LimitName)


async def listing(request: web.Request) -> web.Response:
    """The caller's limits, by kind and name."""
    return json_answer(await limits.all_of(request.app[ENGINE].shared, request[CALLER].owner))


async def put(request: web.Request) -> web.Response:
    """Set a limit."""
    limit = await record(request, _LIMIT)
    return json_answer(await limits.put(request.app[ENGINE].shared, request[CALLER].owner, limit))


async def remove(request: web.Request) -> web.Response:
    """Take a limit away."""
    which = await record(request, _NAME)
    return json_answer(await limits.remove(request.app[ENGINE].shared, request[CALLER].owner, which))


ROUTES: Final = (
    Route(method="GET", path=f"{PREFIX}/limits", handler=listing, scope=Scope.USER),
    Route(method="POST", path=f"{PREFIX}/limits", handler=put, scope=Scope.USER),
    Route(method="POST", path=f"{PREFIX}/limits/remove", handler=remove, scope=Scope.USER),
)
