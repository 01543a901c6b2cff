"""Routes of what tasks print: text of anybody's, never to be rendered as anything but text."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from covalent.errors import WireError
from covalent.wire.streams import STREAMS
from covalent_server.core.errors import UnknownNodeError
from covalent_server.db import printing
from covalent_server.engine.engine import MAX_WAIT
from covalent_server.web.keys import CALLER, ENGINE
from covalent_server.web.routing import PREFIX, Route, Scope
from covalent_server.web.validation import json_answer, number, whole

_MAX_OFFSET: Final = 2**53
_MAX_ATTEMPT: Final = 2**31 - 1
#: Bytes of one part, when parts are asked for.
_MAX_PART: Final = 16 * 1024 * 1024
_MAX_MATCHES: Final = 1000


async def stream(request: web.Request) -> web.Response:
    """What a node's task printed, from an offset on, or its end."""
    found = await request.app[ENGINE].printed(
        request[CALLER],
        request.match_info["id"],
        whole(request, "node"),
        _wanted(request),
        wait=number(request, "wait", 0, most=MAX_WAIT),
    )
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Covalent-Offset": str(found.offset),
        "Covalent-Size": str(found.size),
        "Covalent-Settled": str(found.settled).lower(),
    }
    return web.Response(body=found.data, headers=headers)


async def search(request: web.Request) -> web.Response:
    """The first lines of what a node's task printed that hold a text."""
    text = request.query.get("text", "")
    if not text:
        raise WireError("expected a text to look for", path="query.text")
    engine, owner = request.app[ENGINE], request[CALLER].owner
    dispatch_id, node, wanted = request.match_info["id"], whole(request, "node"), _wanted(request)
    limit = int(number(request, "limit", 100, most=_MAX_MATCHES))
    found = await engine.shared.reader.run_apart(
        lambda session: printing.matches(session, owner, dispatch_id, node, wanted, text=text, limit=limit)
    )
    return json_answer(found)


def _wanted(request: web.Request) -> printing.Wanted:
    which = request.match_info["stream"]
    if which not in STREAMS:
        raise UnknownNodeError(request.match_info["id"], whole(request, "node"))
    return printing.Wanted(
        which=which,
        offset=int(number(request, "offset", 0, most=_MAX_OFFSET)),
        limit=_optional(request, "limit", _MAX_PART) if request.path.endswith(f"/{which}") else None,
        tail=_optional(request, "tail", _MAX_PART),
        attempt=_optional(request, "attempt", _MAX_ATTEMPT),
    )


def _optional(request: web.Request, name: str, most: int) -> int | None:
    return int(number(request, name, 0, most=most)) if name in request.query else None


_PATH: Final = f"{PREFIX}/dispatches/{{id}}/nodes/{{node}}/{{stream}}"

ROUTES: Final = (
    Route(method="GET", path=_PATH, handler=stream, scope=Scope.USER),
    Route(method="GET", path=f"{_PATH}/search", handler=search, scope=Scope.USER),
)
