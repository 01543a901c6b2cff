"""Routes of dispatches: sending one, following it, reading what came of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
from aiohttp import hdrs, web

from covalent.errors import WireError
from covalent.status import Status
from covalent.wire import FRAMES_CONTENT_TYPE
from covalent.wire.manifest import Accepted, Cancellation, Conclusion, Manifest
from covalent.wire.records import DispatchList, NodeList
from covalent.wire.template import is_digest
from covalent.wire.waiting import WaitingList
from covalent_server.core.errors import UnknownNodeError
from covalent_server.db import reads
from covalent_server.engine import intake
from covalent_server.engine.engine import MAX_WAIT
from covalent_server.engine.submission import Submission
from covalent_server.web.keys import CALLER, ENGINE, INFO
from covalent_server.web.routing import PREFIX, Route, Scope
from covalent_server.web.validation import body, decode, framed, framed_answer, json_answer, number, record, whole

_MANIFEST: Final = msgspec.json.Decoder(Manifest)
_CANCELLATION: Final = msgspec.json.Decoder(Cancellation)
_CONCLUSION: Final = msgspec.json.Decoder(Conclusion)

_MAX_LIST: Final = 1000
_MAX_KEY: Final = 200
#: How many nodes are cancelled at once, unless all are.
_MAX_NODES: Final = 10_000
#: From so many bytes on, reading a manifest takes longer than going to a thread and back.
_LARGE: Final = 128 * 1024


async def submit(request: web.Request) -> web.Response:
    """Take in a manifest; answered after it is committed."""
    text, blobs = await framed(request)
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= _MAX_KEY and key.isascii() and key.isprintable()):
        raise WireError(f"expected 1 to {_MAX_KEY} printable ASCII characters", path="headers.Idempotency-Key")
    read = partial(_submission, text, blobs, request[CALLER].owner, key, await body(request))
    # What is large is read where it does not hold up everybody else.
    submission = await asyncio.to_thread(read) if len(text) + len(blobs) * 1024 > _LARGE else read()
    dispatch_id = await request.app[ENGINE].submit(submission)
    return json_answer(Accepted(dispatch_id=dispatch_id, instance=request.app[INFO].instance), status=201)


def _submission(
    text: memoryview, blobs: Sequence[memoryview], owner: str, key: str | None, whole_body: bytes
) -> Submission:
    return Submission(
        owner=owner,
        manifest=decode(_MANIFEST, text),
        plain=msgspec.json.decode(text),
        assets=[intake.from_bytes(blob) for blob in blobs],
        idempotency_key=key,
        body_digest=hashlib.sha256(whole_body).hexdigest(),
    )


async def listing(request: web.Request) -> web.Response:
    """The newest dispatches."""
    status = request.query.get("status")
    if status is not None and status not in Status.__members__.values():
        raise WireError(f"expected one of {', '.join(Status)}", path="query.status")
    found = await request.app[ENGINE].read(
        reads.dispatches,
        request[CALLER].owner,
        status=None if status is None else Status(status),
        name=request.query.get("name"),
        tag=request.query.get("tag"),
        limit=int(number(request, "limit", 100, most=_MAX_LIST)),
    )
    return json_answer(DispatchList(dispatches=found))


async def one(request: web.Request) -> web.Response:
    """A dispatch, at once or when it has ended; who takes frames is given its value along, when that is small."""
    wait = number(request, "wait", 0, most=MAX_WAIT)
    record, value = await request.app[ENGINE].outcome(request[CALLER], request.match_info["id"], wait)
    if request.headers.get(hdrs.ACCEPT) == FRAMES_CONTENT_TYPE:
        return framed_answer(record, [] if value is None else [value])
    return json_answer(record)


async def graph(request: web.Request) -> web.Response:
    """The transport graph: the node-link document that was sent."""
    text = await request.app[ENGINE].read(reads.graph, request[CALLER].owner, request.match_info["id"])
    return web.Response(text=text, content_type="application/json")


async def manifest(request: web.Request) -> web.Response:
    """The manifest that was sent."""
    text = await request.app[ENGINE].read(reads.manifest, request[CALLER].owner, request.match_info["id"])
    return web.Response(text=text, content_type="application/json")


async def nodes(request: web.Request) -> web.Response:
    """All nodes of a dispatch."""
    found = await request.app[ENGINE].read(reads.nodes, request[CALLER].owner, request.match_info["id"])
    return json_answer(NodeList(nodes=found))


async def node(request: web.Request) -> web.Response:
    """One node of a dispatch."""
    found = await request.app[ENGINE].read(
        reads.node_record, request[CALLER].owner, request.match_info["id"], whole(request, "node")
    )
    return json_answer(found)


async def why(request: web.Request) -> web.Response:
    """Why the nodes of a dispatch that have not ended do not run."""
    limit = int(number(request, "limit", 100, most=_MAX_LIST))
    found = await request.app[ENGINE].why(request[CALLER], request.match_info["id"], None, limit)
    return json_answer(WaitingList(nodes=found))


async def why_node(request: web.Request) -> web.Response:
    """Why one node does not run."""
    (found,) = await request.app[ENGINE].why(request[CALLER], request.match_info["id"], whole(request, "node"))
    return json_answer(found)


async def cancel(request: web.Request) -> web.Response:
    """End a dispatch or some of its nodes."""
    wanted = await record(request, _CANCELLATION)
    if len(wanted.nodes or ()) > _MAX_NODES:
        raise WireError(
            f"more than {_MAX_NODES} at once; cancel the whole dispatch, or some after the others", path="$.nodes"
        )
    found = await request.app[ENGINE].cancel(request[CALLER], request.match_info["id"], wanted.nodes)
    return json_answer(found)


async def conclude(request: web.Request) -> web.Response:
    """Take the return value that the client put together."""
    text, blobs = await framed(request)
    result = decode(_CONCLUSION, text).result
    if not is_digest(result):
        raise WireError("expected 64 lowercase hexadecimal digits", path="$.result")
    new = await asyncio.to_thread(lambda: [intake.from_bytes(blob) for blob in blobs])
    found = await request.app[ENGINE].conclude(request[CALLER], request.match_info["id"], result, new)
    return json_answer(found)


async def stream(request: web.Request) -> web.Response:
    """What a node's task printed, from an offset on; never to be rendered as anything but text."""
    which = request.match_info["stream"]
    if which not in ("stdout", "stderr"):
        raise UnknownNodeError(request.match_info["id"], whole(request, "node"))
    text = await request.app[ENGINE].printed(
        request[CALLER],
        request.match_info["id"],
        whole(request, "node"),
        stream=which,
        offset=int(number(request, "offset", 0, most=2**53)),
        wait=number(request, "wait", 0, most=MAX_WAIT),
        attempt=int(number(request, "attempt", 0, most=2**31)) if "attempt" in request.query else None,
    )
    return web.Response(body=text, headers={"Content-Type": "text/plain; charset=utf-8"})


async def events(request: web.Request) -> web.Response:
    """Events after a cursor."""
    found = await request.app[ENGINE].read(
        reads.events,
        request[CALLER].owner,
        int(number(request, "after", 0, most=2**53)),
        int(number(request, "limit", 1000, most=_MAX_LIST)),
    )
    return json_answer(found)


_ONE: Final = f"{PREFIX}/dispatches/{{id}}"

ROUTES: Final = (
    Route(method="POST", path=f"{PREFIX}/dispatches", handler=submit, scope=Scope.USER),
    Route(method="GET", path=f"{PREFIX}/dispatches", handler=listing, scope=Scope.USER),
    Route(method="GET", path=_ONE, handler=one, scope=Scope.USER),
    Route(method="GET", path=f"{_ONE}/graph", handler=graph, scope=Scope.USER),
    Route(method="GET", path=f"{_ONE}/manifest", handler=manifest, scope=Scope.USER),
    Route(method="POST", path=f"{_ONE}/cancel", handler=cancel, scope=Scope.USER),
    Route(method="POST", path=f"{_ONE}/result", handler=conclude, scope=Scope.USER),
    Route(method="GET", path=f"{_ONE}/nodes", handler=nodes, scope=Scope.USER),
    Route(method="GET", path=f"{_ONE}/nodes/{{node}}", handler=node, scope=Scope.USER),
    Route(method="GET", path=f"{_ONE}/why", handler=why, scope=Scope.USER),
    Route(method="GET", path=f"{_ONE}/nodes/{{node}}/why", handler=why_node, scope=Scope.USER),
    Route(method="GET", path=f"{_ONE}/nodes/{{node}}/{{stream}}", handler=stream, scope=Scope.USER),
    Route(method="GET", path=f"{PREFIX}/events", handler=events, scope=Scope.USER),
)
