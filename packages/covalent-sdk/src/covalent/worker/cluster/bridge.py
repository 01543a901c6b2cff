"""The tasks of a bridge: leases become tasks of Dask, a few times as many as the cluster runs at once."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from covalent.errors import WireError, WorkerError
from covalent.resources import Resources
from covalent.wire.work import LeaseKey, Outcome, Poll
from covalent.worker import endings, spool
from covalent.worker.assets import Memory
from covalent.worker.cluster.messages import MARK, Order, packed
from covalent.worker.intake import needed_by, resources_of
from covalent.worker.ledger import Held
from covalent.worker.pace import LARGEST_BATCH, Pace
from covalent.worker.place import Ends, Printed

Buffer = bytes | bytearray | memoryview

#: Leases held for each thread of the cluster: work for so many seconds, but at least and at most so many.
_IN_HAND: Final = 1.0
_AHEAD, _MOST_AHEAD = 3, 2 * LARGEST_BATCH
#: A cluster without workers may start some when it sees work: so much.
_FIRST: Final = 2
#: Handed to Dask at once, in bytes: it warns of more, and holds all of it in its scheduler's memory.
_BATCH_BYTES: Final = 4 << 20
#: A task that has had its time for so much longer, in seconds, is given up here: its outpost should have stopped it.
_GRACE: Final = 15.0
_NAME: Final = re.compile(r"[^A-Za-z0-9_.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A task for Dask."""

    key: str
    frame: bytes
    resources: Resources


class Link(Protocol):
    """A connection to a Dask scheduler. Its calls return at once; what comes of them is told in the loop."""

    @property
    def threads(self) -> int | None:
        """How many tasks the cluster runs at once; None while there is no connection."""

    @property
    def fault(self) -> str | None:
        """Why there is no connection, when there is going to be none."""

    def open(self, listener: Listener) -> None:
        """Connect, and tell from now on."""

    def submit(self, tasks: Sequence[Handed]) -> None:
        """Have tasks run, each for itself."""

    def cancel(self, keys: Sequence[str]) -> None:
        """Have tasks not run that have not begun."""

    def close(self) -> None:
        """End the connection; tasks that have not begun are not run."""


class Listener(Protocol):
    """What a link tells."""

    def answered(self, results: Mapping[str, bytes]) -> None:
        """What tasks gave, by their keys; nothing of one that was lost on the way."""

    def failed(self, key: str, message: str) -> None:
        """Dask could not run a task."""

    def lost(self, keys: Sequence[str], message: str) -> None:
        """What ran these has been lost, or was going to run them."""

    def disconnected(self, message: str) -> None:
        """The scheduler has gone, and all that it was told with it."""

    def begun(self, tokens: Sequence[str]) -> None:
        """Tasks have begun a moment ago: the tokens of their leases."""


@dataclass(slots=True, kw_only=True)
class _Sent:
    held: Held
    key: str
    #: When it was heard that it had begun, by the monotonic clock.
    begun: float | None = None


class Bridge:
    """A Dask cluster as the place where a worker's tasks run. All of it happens in the loop's thread."""

    def __init__(self, link: Link, ends: Ends) -> None:
        self._link = link
        self._ends = ends
        self._pace = Pace()
        self._memory = Memory()
        self._waiting: deque[tuple[Held, Handed]] = deque()
        #: What Dask has, by the tokens of the leases, and their tokens by Dask's keys.
        self._sent: dict[str, _Sent] = {}
        self._tokens: dict[str, str] = {}
        link.open(self)

    # -- leases in and out

    def take(self, held: Held, blobs: Mapping[str, Buffer]) -> None:
        """Hand the task of a lease to Dask, with those of its small assets that are here; it fetches the others."""
        lease = held.lease
        try:
            needed = needed_by(lease)
            resources = resources_of(lease.executor_data)
        except (WorkerError, WireError) as error:
            self._ends.ended(held, endings.impossible(held, f"this worker cannot run the task: {error}"))
            return
        for digest in blobs.keys() & needed.keys():
            self._memory.receive(lease.owner, digest, blobs[digest])
        assets = {digest: data for digest in needed if (data := self._memory.get(lease.owner, digest)) is not None}
        frame = packed(Order(lease=lease, assets=tuple(assets)), list(assets.values()))
        name = _NAME.sub("_", lease.name)[:100]
        key = f"{name}{MARK}{lease.dispatch_id}-{lease.node_id}-{lease.key.attempt}"
        self._waiting.append((held, Handed(key=key, frame=frame, resources=resources)))

    def over(self, held: Held) -> None:
        """A lease has ended, or is no longer this worker's."""
        sent = self._sent.pop(held.lease.key.token, None)
        if sent is not None:
            self._tokens.pop(sent.key, None)

    def drop(self, held: Held) -> None:
        """A lease is no longer this worker's: its outpost hears of it from the server, and stops it if it runs."""
        self._waiting = deque(item for item in self._waiting if item[0] is not held)
        sent = self._sent.get(held.lease.key.token)
        if sent is not None:
            self._link.cancel([sent.key])
        self.over(held)

    def release(self) -> list[Held]:
        """Give up all that was not begun, as far as that is known."""
        unbegun = [sent for sent in self._sent.values() if sent.begun is None and not sent.held.lease.at_most_once]
        self._link.cancel([sent.key for sent in unbegun])
        waiting, self._waiting = [held for held, _ in self._waiting], deque()
        for sent in unbegun:
            self.over(sent.held)
        return waiting + [sent.held for sent in unbegun]

    def capacity(self) -> int:
        """How many unfinished leases to hold: a few times as many as the cluster runs at once."""
        threads = self._link.threads
        if threads is None:
            return 0
        return max(_FIRST, threads * self._pace.filling(_IN_HAND, least=_AHEAD, most=_MOST_AHEAD))

    @property
    def preparing(self) -> int:
        """Environments are built on the cluster, in threads that wait for them."""
        return 0

    # -- what the server knows and is told

    def beginning(self) -> tuple[LeaseKey, ...]:
        """Leases whose task has begun a moment ago, and of which the server does not know that."""
        return tuple(held.lease.key for held in self.running(told=False) if not held.lease.at_most_once)

    def newly_preparing(self) -> tuple[LeaseKey, ...]:
        """Outposts tell of these by themselves."""
        return ()

    def told(self, poll: Poll) -> None:
        """The server has answered this message."""

    def confirmed(self, asked: Collection[LeaseKey], begin: Collection[LeaseKey]) -> list[Held]:
        """Outposts ask for themselves."""
        del asked, begin
        return []

    def running(self, *, told: bool) -> Iterator[Held]:
        """Leases whose task has begun a while ago, and of which the server does or does not know that."""
        return (sent.held for sent in self._sent.values() if sent.begun is not None and sent.held.started_told is told)

    def more_soon(self) -> bool:
        """Whether tiny tasks are under way, so that another end comes within milliseconds."""
        return bool(self._sent) and self._pace.capacity(1) > 1

    def hurried(self) -> bool:
        """Results wake the loop by themselves."""
        return False

    def well_supplied(self) -> bool:
        """Results come many at a time by themselves."""
        return False

    def printed(self) -> Printed:
        """Outposts send what is printed by themselves."""
        return Printed(chunks=(), blobs=())

    # -- what the loop tells

    def step(self, now: float) -> None:
        """Hand over what waits, give up what has had its time twice."""
        while self._waiting and self._link.threads is not None:
            batch: list[Handed] = []
            size = 0
            while self._waiting and (not batch or size + len(self._waiting[0][1].frame) <= _BATCH_BYTES):
                held, task = self._waiting.popleft()
                self._sent[held.lease.key.token] = _Sent(held=held, key=task.key)
                self._tokens[task.key] = held.lease.key.token
                batch.append(task)
                size += len(task.frame)
            self._link.submit(batch)
        for sent in list(self._sent.values()):
            limit = sent.held.lease.timeout
            if limit is not None and sent.begun is not None and now - sent.begun > limit + _GRACE:
                self._link.cancel([sent.key])
                self._end(sent, Outcome.TIMED_OUT, endings.outlasted(limit))

    def keep_reserve(self, now: float) -> None:
        """Dask has its own."""

    def fault(self) -> str | None:
        """Why no task can be run here any more."""
        return self._link.fault

    def stop(self) -> None:
        """Let go of the cluster."""
        self._link.close()

    # -- what the link tells

    def answered(self, results: Mapping[str, bytes]) -> None:
        """What tasks gave, by their keys."""
        lost = []
        for key, frame in results.items():
            sent = self._find(key)
            if sent is None:
                continue
            if not frame:
                lost.append(key)
                continue
            entry = spool.unpacked(frame)
            completion = entry.result.completion
            self._pace.record(sent.held.lease.function, max(0.0, completion.ended_at - completion.started_at))
            if completion.key == sent.held.lease.key:
                self._ends.ended(sent.held, entry)
        self.lost(lost, "the Dask worker that ran it, or its outpost, was lost")

    def failed(self, key: str, message: str) -> None:
        """Dask could not run a task."""
        sent = self._find(key)
        if sent is not None:
            self._ends.ended(sent.held, endings.impossible(sent.held, message))

    def lost(self, keys: Sequence[str], message: str) -> None:
        """What ran these has been lost: those that had begun have died with it, the others go back."""
        given_back = []
        for sent in filter(None, map(self._find, keys)):
            if sent.begun is None and not sent.held.lease.at_most_once:
                given_back.append(sent.held)
            else:
                self._end(sent, Outcome.DIED, f"{message}; Covalent runs a task again when it has retries left")
        self._ends.given_back(given_back)

    def disconnected(self, message: str) -> None:
        """The scheduler has gone: its workers end, or begin anew with another one."""
        self.lost([sent.key for sent in self._sent.values()], message)
        waiting, self._waiting = [held for held, _ in self._waiting], deque()
        self._ends.given_back(waiting)

    def begun(self, tokens: Sequence[str]) -> None:
        """Tasks have begun a moment ago."""
        for token in tokens:
            sent = self._sent.get(token)
            if sent is not None and sent.begun is None:
                sent.begun = time.monotonic()

    def _find(self, key: str) -> _Sent | None:
        return self._sent.get(self._tokens.get(key, ""))

    def _end(self, sent: _Sent, outcome: Outcome, message: str) -> None:
        entry = endings.impossible(sent.held, message)
        completion = replace(entry.result.completion, outcome=outcome)
        self._ends.ended(sent.held, replace(entry, result=replace(entry.result, completion=completion)))
