"""Routes of triggers: which there are, one more for a dispatch, and their end."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from covalent.errors import WireError
from covalent.wire.triggers import Registration, TriggerList, TriggerStop
from covalent_server.db import triggers
from covalent_server.web.keys import CALLER, ENGINE
from covalent_server.web.routing import PREFIX, Route, Scope
from covalent_server.web.validation import check_ids, json_answer, number, record

_REGISTRATION: Final = msgspec.json.Decoder(Registration)
_STOP: Final = msgspec.json.Decoder(TriggerStop)

_MAX_IDS: Final = 1000


async def listing(request: web.Request) -> web.Response:
    """The caller's triggers, in the order in which they were made."""
    found = await request.app[ENGINE].read(
        triggers.records, request[CALLER].owner, stopped=bool(number(request, "stopped", 0, most=1))
    )
    return json_answer(TriggerList(triggers=found))


async def register(request: web.Request) -> web.Response:
    """Attach a trigger to a dispatch."""
    wanted = await record(request, _REGISTRATION)
    return json_answer(await request.app[ENGINE].register(request[CALLER], wanted), status=201)


async def stop(request: web.Request) -> web.Response:
    """Let triggers fire no more."""
    ids = (await record(request, _STOP)).ids
    if not ids:
        raise WireError("expected an id", path="$.ids")
    check_ids(ids, "$.ids", _MAX_IDS)
    stopped = await request.app[ENGINE].stop_triggers(request[CALLER], ids)
    return json_answer(TriggerList(triggers=stopped))


ROUTES: Final = (
    Route(method="GET", path=f"{PREFIX}/triggers", handler=listing, scope=Scope.USER),
    Route(method="POST", path=f"{PREFIX}/triggers", handler=register, scope=Scope.USER),
    Route(method="POST", path=f"{PREFIX}/triggers/stop", handler=stop, scope=Scope.USER),
)
