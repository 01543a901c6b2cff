"""Routes of the lease protocol, for workers' tokens only."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from covalent.wire.work import Bye, Hello, Poll
from covalent_server.web.keys import CALLER, CREDENTIAL, ENGINE
from covalent_server.web.routing import PREFIX, Route, Scope
from covalent_server.web.validation import decode, framed, framed_answer, json_answer, record

_HELLO: Final = msgspec.json.Decoder(Hello)
_POLL: Final = msgspec.json.Decoder(Poll)
_BYE: Final = msgspec.json.Decoder(Bye)


async def hello(request: web.Request) -> web.Response:
    """A worker introduces itself."""
    engine, introduction = request.app[ENGINE], await record(request, _HELLO)
    token = request[CREDENTIAL].token
    welcome = await engine.hello(request[CALLER], introduction, token)
    engine.provisioners.introduced(token, introduction.worker)
    return json_answer(welcome)


async def poll(request: web.Request) -> web.Response:
    """Results in, leases out. A heartbeat is a poll that wants nothing."""
    text, blobs = await framed(request)
    caller = request[CALLER]
    work, assets = await request.app[ENGINE].workplace.poll(caller.owner, decode(_POLL, text), blobs, pool=caller.pool)
    return framed_answer(work, assets)


async def bye(request: web.Request) -> web.Response:
    """A worker goes."""
    leaving = await record(request, _BYE)
    caller = request[CALLER]
    await request.app[ENGINE].workplace.bye(caller.owner, leaving.worker, pool=caller.pool)
    return json_answer({})


ROUTES: Final = (
    Route(method="POST", path=f"{PREFIX}/worker/hello", handler=hello, scope=Scope.WORKER),
    Route(method="POST", path=f"{PREFIX}/worker/poll", handler=poll, scope=Scope.WORKER),
    Route(method="POST", path=f"{PREFIX}/worker/heartbeat", handler=poll, scope=Scope.WORKER),
    Route(method="POST", path=f"{PREFIX}/worker/bye", handler=bye, scope=Scope.WORKER),
)
