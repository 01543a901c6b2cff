"""Routes of what the web page shows: everything at a glance, graphs in columns, one dispatch, one node."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from covalent.errors import WireError
from covalent.wire.manifest import Accepted
from covalent.wire.overview import Redispatch, Summary, Tags
from covalent.wire.template import is_digest
from covalent_server.db import details, graphs, reads
from covalent_server.engine.repeating import repetition
from covalent_server.web.dispatches import idempotency_key
from covalent_server.web.keys import CALLER, ENGINE, INFO
from covalent_server.web.routing import PREFIX, Route, Scope
from covalent_server.web.server import described
from covalent_server.web.validation import json_answer, record, whole

_REDISPATCH: Final = msgspec.json.Decoder(Redispatch)
_TAGS: Final = msgspec.json.Decoder(Tags)

#: From so many bytes on an answer is sent compressed. A fast level: a browser is not far away.
_LARGE: Final = 4096
_LEVEL: Final = 5


async def summary(request: web.Request) -> web.Response:
    """How the caller's dispatches stand altogether."""
    found, waiting, workers = await request.app[ENGINE].overview.standing(request[CALLER].owner)
    return json_answer(
        Summary(
            sequence=found.sequence,
            counts=found.counts,
            running=found.running,
            failed=found.failed,
            nodes=found.nodes,
            waiting=waiting,
            workers=workers,
            server=described(request),
        )
    )


async def detail(request: web.Request) -> web.Response:
    """A dispatch with what is known around it."""
    found = await request.app[ENGINE].read(details.dispatch_detail, request[CALLER].owner, request.match_info["id"])
    return json_answer(found)


async def columns(request: web.Request) -> web.Response:
    """A graph in columns, as it stands."""
    found = await request.app[ENGINE].overview.columns(request[CALLER].owner, request.match_info["id"])
    return await _large(request, found)


async def states(request: web.Request) -> web.Response:
    """Where the nodes of a graph stand."""
    found = await request.app[ENGINE].read(graphs.states, request[CALLER].owner, request.match_info["id"])
    return await _large(request, found)


async def timeline(request: web.Request) -> web.Response:
    """When the nodes of a graph began and ended."""
    found = await request.app[ENGINE].read(graphs.timeline, request[CALLER].owner, request.match_info["id"])
    return await _large(request, found)


async def node(request: web.Request) -> web.Response:
    """A node with what is known around it."""
    found = await request.app[ENGINE].overview.node(
        request[CALLER].owner, request.match_info["id"], whole(request, "node")
    )
    return json_answer(found)


async def asset(request: web.Request) -> web.Response:
    """What an asset's header claims."""
    digest = request.match_info["digest"]
    if not is_digest(digest):
        raise WireError("expected 64 lowercase hexadecimal digits", path="digest")
    return json_answer(await request.app[ENGINE].read(details.asset_description, request[CALLER].owner, digest))


async def redispatch(request: web.Request) -> web.Response:
    """Repeat a dispatch as it was sent, all of it or what is missing; answered after it is committed."""
    wanted = await record(request, _REDISPATCH)
    engine, owner, dispatch_id = request.app[ENGINE], request[CALLER].owner, request.match_info["id"]
    text = await engine.shared.reader.run_apart(lambda session: reads.manifest(session, owner, dispatch_id))
    submission = await asyncio.to_thread(
        repetition,
        text,
        owner=owner,
        dispatch_id=dispatch_id,
        idempotency_key=idempotency_key(request),
        reuse=wanted.reuse,
    )
    new = await engine.submit(submission)
    return json_answer(Accepted(dispatch_id=new, instance=request.app[INFO].instance), status=201)


async def tags(request: web.Request) -> web.Response:
    """Give a dispatch other tags."""
    wanted = await record(request, _TAGS)
    found = await request.app[ENGINE].overview.label(request[CALLER].owner, request.match_info["id"], wanted)
    return json_answer(found)


async def _large(request: web.Request, value: Any) -> web.Response:
    """A record as JSON, compressed where that saves much."""
    text = await asyncio.to_thread(msgspec.json.encode, value)
    headers: Mapping[str, str] = {"Vary": "Accept-Encoding"}
    if len(text) >= _LARGE and "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        text = await asyncio.to_thread(gzip.compress, text, _LEVEL, mtime=0)
        headers = {**headers, "Content-Encoding": "gzip"}
    return web.Response(body=text, content_type="application/json", headers=headers)


_ONE: Final = f"{PREFIX}/dispatches/{{id}}"

ROUTES: Final = (
    Route(method="GET", path=f"{PREFIX}/summary", handler=summary, scope=Scope.USER),
    Route(method="GET", path=f"{_ONE}/detail", handler=detail, scope=Scope.USER),
    Route(method="GET", path=f"{_ONE}/columns", handler=columns, scope=Scope.USER),
    Route(method="GET", path=f"{_ONE}/states", handler=states, scope=Scope.USER),
    Route(method="GET", path=f"{_ONE}/timeline", handler=timeline, scope=Scope.USER),
    Route(method="POST", path=f"{_ONE}/redispatch", handler=redispatch, scope=Scope.USER),
    Route(method="PUT", path=f"{_ONE}/tags", handler=tags, scope=Scope.USER),
    Route(method="GET", path=f"{_ONE}/nodes/{{node}}/detail", handler=node, scope=Scope.USER),
    Route(method="GET", path=f"{PREFIX}/assets/{{digest}}/description", handler=asset, scope=Scope.USER),
)
