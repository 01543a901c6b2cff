"""The stream of events: server-sent, one for each browser, from the table of events and nothing else.

A listener is a cursor, not a queue: what has happened since is read when there was a commit, at most ten times a
second, and only as fast as the listener takes it. So who listens costs no memory, who does not costs nothing, and a
browser that comes back goes on where it was. Who falls too far behind is told to look anew.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import Any, Final

import msgspec
from aiohttp import web

from covalent_server.db import happened
from covalent_server.engine.shared import monotonic
from covalent_server.web.errors import RefusedError
from covalent_server.web.keys import CALLER, CREDENTIAL, ENGINE, INFO, STOPPING
from covalent_server.web.routing import PREFIX, Route, Scope
from covalent_server.web.validation import check_ids, number

#: Seconds between two frames at least, and between looks whether the listener may still listen.
FRAME_SECONDS: Final = 0.1
#: Seconds without a frame after which a comment says that the stream lives.
HEARTBEAT_SECONDS: Final = 15.0
#: Events of one frame.
FRAME_EVENTS: Final = 1000
#: Events that a listener may be behind; beyond that it looks at what there is anew.
MAX_BEHIND: Final = 10_000
#: Bytes that wait for a listener to take them, above which no more are read for it.
_MAX_UNSENT: Final = 256 * 1024
#: Seconds that they may wait.
_PATIENCE: Final = 60.0
#: Streams of one account at a time.
MAX_STREAMS: Final = 64
_MAX_DISPATCHES: Final = 50
_RETRY: Final = b"retry: 1000\n\n"
_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # So that a proxy holds nothing back.
    "X-Accel-Buffering": "no",
}

STREAMS: Final = web.AppKey("streams", Counter[str])


async def stream(request: web.Request) -> web.StreamResponse:
    """What happens, as it happens, until one of both goes or the caller may no longer listen."""
    owner, streams = request[CALLER].owner, request.app[STREAMS]
    wanted = _wanted(request)
    if streams[owner] >= MAX_STREAMS:
        raise RefusedError(429, f"an account may have {MAX_STREAMS} streams at a time; close other pages")
    streams[owner] += 1
    response = web.StreamResponse(headers=_HEADERS | {"Covalent-Instance": request.app[INFO].instance})
    try:
        head = await request.app[ENGINE].read(happened.latest)
        listener = _Listener(request, response, wanted, _cursor(request, head), head)
        await response.prepare(request)
        await listener.listen()
    except ConnectionError:
        pass  # who listened has gone
    finally:
        streams[owner] -= 1
        streams += Counter()  # without those that have none
    return response


class _Listener:
    """One stream."""

    def __init__(
        self, request: web.Request, response: web.StreamResponse, wanted: happened.Wanted, cursor: int, head: int
    ) -> None:
        self._request = request
        self._response = response
        self._engine = request.app[ENGINE]
        self._wanted = wanted
        self._cursor = cursor
        self._head = head
        self._spoke = monotonic()

    async def listen(self) -> None:
        """Tell what happens; returns when the stream is to end."""
        await self._say(_RETRY + _frame("hello", self._head, {"sequence": self._head, "instance": self._instance}))
        stopping = self._request.app[STOPPING]
        seen = -1
        while not stopping.is_set():
            if self._engine.sessions.caller(self._request[CREDENTIAL]) is None:
                await self._say(_frame("bye", self._cursor, {"reason": "signed-out"}))
                return
            if self._is_gone():
                return
            commits = self._engine.shared.writer.commits
            if commits != seen and not self._is_behind():
                more = await self._tell()
                seen = -1 if more else commits
            elif monotonic() - self._spoke > HEARTBEAT_SECONDS and not self._is_behind():
                await self._say(b":\n\n")
            await asyncio.sleep(FRAME_SECONDS)
        await self._say(_frame("bye", self._cursor, {"reason": "stopping"}))

    @property
    def _instance(self) -> str:
        return self._request.app[INFO].instance

    async def _tell(self) -> bool:
        """Tell what has happened since; whether there is more of it."""
        read = partial(
            happened.news,
            owner=self._request[CALLER].owner,
            after=self._cursor,
            limit=FRAME_EVENTS,
            wanted=self._wanted,
            behind=MAX_BEHIND,
        )
        news = await self._engine.shared.read(read)
        self._cursor = news.cursor
        if news.resync:
            await self._say(_frame("resync", self._cursor, {"sequence": self._cursor}))
        elif news.events:
            await self._say(_frame("events", self._cursor, {"events": news.events}))
        return len(news.events) == FRAME_EVENTS

    async def _say(self, text: bytes) -> None:
        """Hand something to the network, which takes it when the listener does."""
        self._spoke = monotonic()
        try:
            async with asyncio.timeout(FRAME_SECONDS):
                await self._response.write(text)
        except TimeoutError:
            pass  # it is on its way, and what comes next waits until it has arrived

    def _is_behind(self) -> bool:
        """Whether the listener does not take what it was told."""
        transport = self._request.transport
        return transport is not None and transport.get_write_buffer_size() > _MAX_UNSENT

    def _is_gone(self) -> bool:
        """Whether nobody is there; who has not taken anything for long is let go."""
        transport = self._request.transport
        if transport is None or transport.is_closing():
            return True
        if self._is_behind() and monotonic() - self._spoke > _PATIENCE:
            transport.abort()
            return True
        return False


def _frame(kind: str, cursor: int, data: Any) -> bytes:
    return b"event: %s\nid: %d\ndata: %s\n\n" % (kind.encode(), cursor, msgspec.json.encode(data))


def _wanted(request: web.Request) -> happened.Wanted:
    named = request.query.getall("dispatch", [])
    check_ids(named, "query.dispatch", _MAX_DISPATCHES)
    whole = request.query.get("level") == "dispatch"
    return happened.Wanted(dispatches=named or None, whole=whole)


def _cursor(request: web.Request, head: int) -> int:
    """Where to go on: where the browser was; from now on when it was nowhere."""
    last = request.headers.get("Last-Event-ID")
    if last is not None:
        # What is no number of ours is as unknown as one that was never given.
        return int(last) if last.isascii() and last.isdecimal() and len(last) < 16 else head + 1
    return int(number(request, "after", head, most=2**53))


ROUTES: Final = (Route(method="GET", path=f"{PREFIX}/events/stream", handler=stream, scope=Scope.USER),)
