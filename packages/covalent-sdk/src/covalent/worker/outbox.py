"""From a reply to a delivered completion: written to the spool, large parts uploaded, acknowledged, forgotten."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from covalent.errors import AuthenticationError, ServerError
from covalent.http import Server
from covalent.wire import INLINE_ASSET_BYTES, INLINE_MESSAGE_BYTES
from covalent.wire.work import Completion, LeaseKey, Outcome, Poll, StreamChunk
from covalent.worker.assets import trim
from covalent.worker.couriers import Courier
from covalent.worker.messages import sendable
from covalent.worker.settings import Patience
from covalent.worker.spool import Entry, Result, Spool

Buffer = bytes | bytearray | memoryview

_log = logging.getLogger("covalent.worker")
#: Printed output up to this size travels with its completion; more is sent before it.
_LIGHT_STREAM_BYTES: Final = 64 * 1024
_BATCH_ENTRIES: Final = 256
_BATCH_BYTES: Final = 1 << 20
#: Statuses that say "not now" of an upload; 404 is for a worker that has to introduce itself again.
_PASSING: Final = frozenset({404, 408, 409, 429})
#: Other things that are said of a refused result: why it was refused, then _LAST_WORDS.
_REPLACEMENTS: Final = 2
#: What is said of a result when the server has refused everything else; nothing of the task is in it.
_LAST_WORDS: Final = "the server refused the result of this task twice; the worker's log says why"


def entry(
    completion: Completion,
    printed: Sequence[tuple[str, int, bytes]],
    *,
    assets: Mapping[str, Buffer] | None = None,
    files: Mapping[str, str] | None = None,
) -> Entry:
    """A completion with what the task printed, as (stream, offset, bytes), and its assets, in memory and in files."""
    made = dict(assets or {})
    streams = tuple(
        StreamChunk(key=completion.key, stream=stream, offset=offset, blob=len(made) + index)
        for index, (stream, offset, _) in enumerate(printed)
    )
    blobs = [*made.values(), *(data for _, _, data in printed)]
    result = Result(completion=completion, assets=tuple(made), streams=streams, files=dict(files or {}))
    return Entry(result=result, blobs=blobs)


def is_heavy(item: Entry) -> bool:
    """Whether something of it has to be sent before its completion is."""
    printed = sum(len(blob) for blob in item.blobs[len(item.result.assets) :])
    return bool(item.result.files) or printed > _LIGHT_STREAM_BYTES


class Outbox:
    """The results that the server does not have yet."""

    def __init__(
        self,
        *,
        server: Server,
        worker: str,
        held: Callable[[], tuple[LeaseKey, ...]],
        spool: Spool,
        uploaders: list[Courier[None]],
        later: Callable[[float, Callable[[], None]], None],
        patience: Patience,
    ) -> None:
        self._server = server
        self._worker = worker
        self._held = held
        self._spool = spool
        self._uploaders = uploaders
        self._later = later
        self._patience = patience
        self._fresh: list[Entry] = []
        self._ready: deque[Entry] = deque()
        #: Results that are not acknowledged.
        self.unfinished = 0
        #: One result at a time, until the one that the server refuses is found.
        self._singly = False

    def __len__(self) -> int:
        """How many results can be delivered now."""
        return len(self._ready)

    def add(self, item: Entry, *, spooled: bool = False) -> None:
        """A new result; it goes to the spool with the next :meth:`flush` unless it is ``spooled``."""
        self.unfinished += 1
        if item.result.completion.error is not None:
            item = replace(item, result=replace(item.result, completion=_sendable(item.result.completion)))
        if spooled:
            self._upload_or_ready(item)
        else:
            self._fresh.append(item)

    def flush(self) -> None:
        """Write new results to the spool; those that are light can be delivered then."""
        if not self._fresh:
            return
        fresh, self._fresh = self._fresh, []
        self._spool.write(fresh)
        for item in fresh:
            self._upload_or_ready(item)

    def take(self) -> list[Entry]:
        """The results for the next message."""
        taken: list[Entry] = []
        size = 0
        most = 1 if self._singly else _BATCH_ENTRIES
        while self._ready and len(taken) < most and (size < _BATCH_BYTES or not taken):
            item = self._ready.popleft()
            size += sum(map(len, item.blobs))
            taken.append(item)
        return taken

    def acknowledged(self, items: Sequence[Entry]) -> None:
        """The server has these for good."""
        self._singly = False
        for item in items:
            self._spool.done(item)
            self.unfinished -= 1

    def undelivered(self, items: Sequence[Entry]) -> None:
        """Nobody answered; these are to be sent again."""
        self._ready.extendleft(reversed(items))

    def refused(self, items: Sequence[Entry], error: ServerError) -> None:
        """The server does not take these: the one that it means is told as a failure instead.

        No lease is forgotten: it would expire and its task be run again, with the same end.
        """
        if len(items) > 1:
            self._singly = True
            self.undelivered(items)
            return
        key = items[0].result.completion.key
        _log.error("the server refuses the result of node=%s attempt=%s: %s", key.node, key.attempt, error)
        item = _replacement(items[0], error)
        if item.refusals > _REPLACEMENTS:
            self._later(self._patience.longest_pause, lambda: self._ready.append(item))
        else:
            self.undelivered([item])

    def _upload_or_ready(self, item: Entry) -> None:
        if is_heavy(item):
            self._upload(item, self._patience.first_pause, time.monotonic())
        else:
            self._ready.append(item)

    def _upload(self, item: Entry, pause: float, since: float) -> None:
        def done(_: None) -> None:
            self._ready.append(_lightened(item))

        def failed(error: Exception) -> None:
            final = isinstance(error, ServerError) and 400 <= error.status < 500 and error.status not in _PASSING
            final = final or isinstance(error, FileNotFoundError)
            patient = time.monotonic() - since < self._patience.unreachable_busy
            if isinstance(error, AuthenticationError) or (patient and not final):
                longer = min(self._patience.longest_pause, pause * 2)
                for path in item.result.files.values():  # in use: the cache is not to let go of them
                    with suppress(OSError):
                        os.utime(path)
                self._later(pause, lambda: self._upload(item, longer, since))
            else:
                self._ready.append(_replacement(item, error))

        held = self._held()
        courier = min(self._uploaders, key=lambda courier: courier.pending)
        courier.send(lambda: self._send_parts(item, held), done, failed)

    def _send_parts(self, item: Entry, held: tuple[LeaseKey, ...]) -> None:
        """Send long streams, and assets that lie in files; called in an uploader's thread."""
        result = item.result
        first = len(result.assets)
        for chunk, blob in zip(result.streams, item.blobs[first:], strict=True):
            message = Poll(worker=self._worker, held=held, streams=(replace(chunk, blob=0),))
            self._server.post("/worker/heartbeat", message, blobs=[blob])
        if result.files:
            self._send_files(result.files, held)
            trim(Path(next(iter(result.files.values()))).parent, time.time())

    def _send_files(self, files: Mapping[str, str], held: tuple[LeaseKey, ...]) -> None:
        """The small ones many at a time, each large one by itself."""
        together: dict[str, bytes] = {}
        for digest, path in files.items():
            if Path(path).stat().st_size > INLINE_ASSET_BYTES:
                self._server.put_file(digest, Path(path))
            else:
                together[digest] = Path(path).read_bytes()
            if sum(map(len, together.values())) + INLINE_ASSET_BYTES > INLINE_MESSAGE_BYTES:
                self._send_together(together, held)
                together = {}
        if together:
            self._send_together(together, held)

    def _send_together(self, assets: Mapping[str, bytes], held: tuple[LeaseKey, ...]) -> None:
        message = Poll(worker=self._worker, held=held, assets=tuple(assets))
        self._server.post("/worker/heartbeat", message, blobs=list(assets.values()))


def _lightened(item: Entry) -> Entry:
    """A result whose streams and files have arrived."""
    count = len(item.result.assets)
    return replace(item, result=replace(item.result, streams=(), files={}), blobs=item.blobs[:count])


def _replacement(item: Entry, error: Exception) -> Entry:
    """What the server is told when it does not take a result."""
    before = item.result.completion
    text = f"the task ended ({before.outcome}), but the server did not take its result: {error}"
    text += f"\n{before.error}" if before.error else ""
    if item.refusals:
        text = _LAST_WORDS
    completion = replace(before, outcome=Outcome.FAILED, output=None, error=text)
    return replace(item, result=Result(completion=_sendable(completion)), blobs=(), refusals=item.refusals + 1)


def _sendable(completion: Completion) -> Completion:
    return completion if completion.error is None else replace(completion, error=sendable(completion.error))
