"""Routes for provisioners: a user's own, with the user's token, and those that this server starts."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from covalent.wire.provisioning import JobRequest, Leaving, Report
from covalent_server.web.keys import CALLER, ENGINE
from covalent_server.web.routing import PREFIX, Route, Scope
from covalent_server.web.validation import json_answer, record

_REPORT: Final = msgspec.json.Decoder(Report)
_REQUEST: Final = msgspec.json.Decoder(JobRequest)
_LEAVING: Final = msgspec.json.Decoder(Leaving)


async def report(request: web.Request) -> web.Response:
    """How a provisioner stands; the answer is what is wanted of it."""
    told = await record(request, _REPORT)
    return json_answer(await request.app[ENGINE].provisioners.report(request[CALLER].owner, told))


async def order(request: web.Request) -> web.Response:
    """A token for a worker that is about to be started."""
    wanted = await record(request, _REQUEST)
    return json_answer(await request.app[ENGINE].provisioners.order(request[CALLER].owner, wanted))


async def goodbye(request: web.Request) -> web.Response:
    """A provisioner goes."""
    leaving = await record(request, _LEAVING)
    await request.app[ENGINE].provisioners.leave(request[CALLER].owner, leaving)
    return json_answer({})


ROUTES: Final = (
    Route(method="POST", path=f"{PREFIX}/provisioning/reports", handler=report, scope=Scope.PROVISIONER),
    Route(method="POST", path=f"{PREFIX}/provisioning/jobs", handler=order, scope=Scope.PROVISIONER),
    Route(method="POST", path=f"{PREFIX}/provisioning/goodbyes", handler=goodbye, scope=Scope.PROVISIONER),
)
