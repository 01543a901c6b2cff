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
from covalent.wire.records import NodeList
from covalent.wire.template import is_digest
from covalent.wire.waiting import WaitingList
from covalent_server.core.states import NodeState
from covalent_server.db import happened, reads
from covalent_server.db import listing as listed
from covalent_server.db.happened import Wanted
from covalent_server.db.listing import DispatchFilter, NodeFilter
from covalent_server.engine import intake
from covalent_server.engine.engine import MAX_WAIT
from covalent_server.engine.submission import Submission
from covalent_server.web.keys import CALLER, ENGINE, INFO
from covalent_server.web.routing import PREFIX, Route, Scope
from covalent_server.web.validation import (
    body,
    cursor,
    decode,
    framed,
    framed_answer,
    json_answer,
    member,
    number,
    record,
    whole,
)

_MANIFEST: Final = msgspec.json.Decoder(Manifest)
_CANCELLATION: Final = msgspec.json.Decoder(Cancellation)
_CONCLUSION: Final = msgspec.json.Decoder(Conclusion)

_MAX_LIST: Final = 1000
#: Seconds since the epoch that are no time any more.
_MAX_TIME: Final = 1e11
_MAX_KEY: Final = 200
#: How many nodes are cancelled at once, unless all are.
_MAX_NODES: Final = 10_000
#: From so many bytes on, reading a manifest takes longer than going to a thread and back.
_LARGE: Final = 128 * 1024


async def submit(request: web.Request) -> web.Response:
    """Take in a manifest; answered after it is committed."""
    text, blobs = await framed(request)
    key = idempotency_key(request)
    read = partial(_submission, text, blobs, request[CALLER].owner, key, await body(request))
    # What is large is read where it does not hold up everybody else.
    submission = await asyncio.to_thread(read) if len(text) + len(blobs) * 1024 > _LARGE else read()
    dispatch_id = await request.app[ENGINE].submit(submission)
    return json_answer(Accepted(dispatch_id=dispatch_id, instance=request.app[INFO].instance), status=201)


def idempotency_key(request: web.Request) -> str | None:
    """What tells a request that is sent again from another one; None when nothing does."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= _MAX_KEY and key.isascii() and key.isprintable()):
        raise WireError(f"expected 1 to {_MAX_KEY} printable ASCII characters", path="headers.Idempotency-Key")
    return key


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
    """The newest dispatches, or those after a cursor."""
    query = request.query
    which = DispatchFilter(
        statuses=tuple(member(Status, text, "status") for text in query.getall("status", [])),
        name=query.get("name"),
        tags=tuple(query.getall("tag", [])),
        text=query.get("text"),
        since=number(request, "since", 0, most=_MAX_TIME) if "since" in query else None,
        until=number(request, "until", 0, most=_MAX_TIME) if "until" in query else None,
    )
    found = await request.app[ENGINE].read(
        listed.dispatches,
        request[CALLER].owner,
        which,
        limit=int(number(request, "limit", 100, most=_MAX_LIST)),
        before=cursor(request),
    )
    return json_answer(found)


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
    """The nodes of a dispatch, all of them unless told how many."""
    query = request.query
    statuses = {member(Status, text, "status") for text in query.getall("status", [])}
    states = {member(NodeState, text, "state") for text in query.getall("state", [])}
    if statuses:
        states = {state for state in NodeState if state.status in statuses and (not states or state in states)}
        if not states:
            return json_answer(NodeList(nodes=()))
    found = await request.app[ENGINE].read(
        listed.nodes,
        request[CALLER].owner,
        request.match_info["id"],
        NodeFilter(states=states, text=query.get("text")),
        limit=max(1, int(number(request, "limit", 0, most=_MAX_LIST))) if "limit" in query else None,
        after=cursor(request),
    )
    return json_answer(found)


async def node(request: web.Request) -> web.Response:
    """One node of a dispatch."""
    found = await request.app[ENGINE].read(
        reads.node_record, request[CALLER].owner, request.match_info["id"], whole(request, "node")
    )
    return json_answer(found)


async def why(request: web.Request) -> web.Response:
    """Why the nodes of a dispatch that have not ended do not run."""
    limit = int(number(request, "limit", 100, most=_MAX_LIST))
    found = await request.app[ENGINE].overview.why(request[CALLER].owner, request.match_info["id"], None, limit)
    return json_answer(WaitingList(nodes=found))


async def why_node(request: web.Request) -> web.Response:
    """Why one node does not run."""
    (found,) = await request.app[ENGINE].overview.why(
        request[CALLER].owner, request.match_info["id"], whole(request, "node")
    )
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


async def events(request: web.Request) -> web.Response:
    """Events after a cursor."""
    dispatch_id = request.query.get("dispatch")
    wanted = Wanted(
        dispatches=None if dispatch_id is None else [dispatch_id],
        node=int(number(request, "node", 0, most=2**31 - 1)) if "node" in request.query else None,
    )
    found = await request.app[ENGINE].read(
        happened.events,
        request[CALLER].owner,
        int(number(request, "after", 0, most=2**53)),
        int(number(request, "limit", 1000, most=_MAX_LIST)),
        wanted,
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
    Route(method="GET", path=f"{PREFIX}/events", handler=events, scope=Scope.USER),
)
