"""Routes about the server itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import msgspec
from aiohttp import web

from covalent.wire.records import ServerInfo
from covalent_server import guard
from covalent_server.web.keys import CALLER, ENGINE, INFO, STOP, STOPPING
from covalent_server.web.routing import PREFIX, Route, Scope
from covalent_server.web.validation import json_answer, record


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequest:
    """How the server is to stop."""

    keep_workers: bool = False


_STOP_REQUEST: Final = msgspec.json.Decoder(StopRequest)


async def healthy(_: web.Request) -> web.Response:
    """Whether the server answers."""
    return web.Response(text="ok\n")


async def ready(request: web.Request) -> web.Response:
    """Whether the server takes work."""
    if request.app[STOPPING].is_set():
        return web.Response(text="stopping\n", status=503)
    return web.Response(text="ok\n")


async def info(request: web.Request) -> web.Response:
    """The server about itself."""
    return json_answer(described(request))


def described(request: web.Request) -> ServerInfo:
    """The server as its caller is told of it."""
    known = request.app[ENGINE].provisioners.known(request[CALLER].owner)
    executors = (*request.app[INFO].executors, *known)
    return replace(request.app[INFO], refusals=guard.refusals(), executors=executors)


async def stop(request: web.Request) -> web.Response:
    """End the server; answered before it ends."""
    wanted = await record(request, _STOP_REQUEST)
    request.app[STOP](keep_workers=wanted.keep_workers)
    return json_answer({}, status=202)


ROUTES: Final = (
    Route(method="GET", path="/healthz", handler=healthy, scope=Scope.ANYONE),
    Route(method="GET", path="/readyz", handler=ready, scope=Scope.ANYONE),
    Route(method="GET", path=f"{PREFIX}/server", handler=info, scope=Scope.USER),
    Route(method="POST", path=f"{PREFIX}/server/stop", handler=stop, scope=Scope.USER),
)
