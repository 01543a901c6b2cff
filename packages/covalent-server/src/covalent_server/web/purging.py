"""Routes of purging: dispatches with all that they hold, and how far their removal has come."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from covalent.wire.purging import PurgeRequest
from covalent_server.engine.engine import MAX_WAIT
from covalent_server.web.keys import CALLER, ENGINE
from covalent_server.web.routing import PREFIX, Route, Scope
from covalent_server.web.validation import check_ids, json_answer, number, record

_REQUEST: Final = msgspec.json.Decoder(PurgeRequest)
_MAX_IDS: Final = 1000


async def purge(request: web.Request) -> web.Response:
    """Let dispatches of the caller's be gone, or tell which would be."""
    wanted = await record(request, _REQUEST)
    check_ids(wanted.ids, "$.ids", _MAX_IDS)
    return json_answer(await request.app[ENGINE].purging.purge(request[CALLER].owner, wanted))


async def progress(request: web.Request) -> web.Response:
    """How much of the caller's purged dispatches is left."""
    wait = number(request, "wait", 0, most=MAX_WAIT)
    return json_answer(await request.app[ENGINE].purging.progress(request[CALLER].owner, wait))


_PATH: Final = f"{PREFIX}/dispatches/purge"

ROUTES: Final = (
    Route(method="POST", path=_PATH, handler=purge, scope=Scope.USER),
    Route(method="GET", path=_PATH, handler=progress, scope=Scope.USER),
)
