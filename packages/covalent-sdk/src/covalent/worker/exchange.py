"""What is said to the server, when, and on which of four lines, each with a courier of its own.

*Deliver* carries completions and takes leases in the same answer; it is answered at once. *Idle* waits at the server
for leases when a slot is free; it never carries a completion, so no acknowledgement is held behind it. *Beat* says
what is held and carries what running tasks print. *Listen* waits at the server while a task runs that is known there
to have begun, and is answered as soon as a lease is to be dropped; nothing waits for it in turn. All name everything
that is held. The lines may cross: a lease that arrives on two of them is dropped by the ledger the second time, and
so is one that arrives after it was to be dropped.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeGuard

from covalent.errors import AuthenticationError, ServerError
from covalent.http import Server
from covalent.wire.codec import from_json
from covalent.wire.work import Bye, Hello, LeaseKey, Poll, StreamChunk, Welcome, Work
from covalent.worker.contact import Contact
from covalent.worker.couriers import Courier, Mailbox
from covalent.worker.outbox import Outbox
from covalent.worker.pace import LARGEST_BATCH
from covalent.worker.place import Printed
from covalent.worker.settings import Patience
from covalent.worker.spool import Entry

Buffer = bytes | bytearray | memoryview

_log = logging.getLogger("covalent.worker")
_NOT_FOUND = 404
#: Added to how long the server may hold an answer back, in seconds.
_ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of the server with the blobs by their digests."""

    #: What the message that it answers named as started.
    started: tuple[LeaseKey, ...]
    work: Work
    blobs: Mapping[str, memoryview]


class Tasks(Protocol):
    """What the exchange asks of the rest of the worker, and tells it."""

    def held(self) -> tuple[LeaseKey, ...]:
        """All leases that are held."""

    def newly_started(self) -> tuple[LeaseKey, ...]:
        """Leases whose task has begun, or is to as soon as the server knows it, and of which it does not know that."""

    def newly_preparing(self) -> tuple[LeaseKey, ...]:
        """Leases whose environment is being built, and of which the server does not know that."""

    def unfinished(self) -> int:
        """How many leases still have a task to run."""

    def capacity(self) -> int:
        """How many unfinished leases to hold."""

    def more_soon(self) -> bool:
        """Whether tiny tasks are under way, so that another completion comes within milliseconds."""

    def listens(self) -> bool:
        """Whether a task runs of which the server knows that it has begun."""

    def printed(self) -> Printed:
        """What running tasks have printed since it was last acknowledged."""

    def take_released(self) -> list[LeaseKey]:
        """Leases to be given back; they are the exchange's to tell now."""

    def introduced(self, welcome: Welcome) -> None:
        """The server knows this worker now."""

    def told(self, poll: Poll, blobs: Sequence[Buffer]) -> None:
        """The server has answered this message."""

    def answered(self, answer: Answer) -> None:
        """There are leases to run, to begin, or to drop."""


@dataclass(slots=True)
class _State:
    introduced: bool = False
    instance: str | None = None
    ttl: float = 15.0
    #: How many leases the idle line has asked for.
    idle_wants: int = 0
    last_beat: float = 0.0
    last_streams: float = 0.0
    last_listening: float = 0.0
    #: Since when a completion waits for others.
    gathering_since: float | None = None
    released: list[LeaseKey] = field(default_factory=list)


class Exchange:
    """The four lines to the server."""

    def __init__(  # noqa: PLR0913  each is a different thing, given by name
        self,
        *,
        server: Server,
        worker: str,
        hello: Hello | None,
        tasks: Tasks,
        outbox: Outbox,
        mailbox: Mailbox,
        patience: Patience,
        clock: Callable[[], float],
        refused: Callable[[str], None],
    ) -> None:
        """``refused`` is called with the reason when the worker has to leave.

        Without a ``hello`` it is for a worker that somebody else introduces.
        """
        self._server = server
        self._worker = worker
        self._hello = hello
        self._tasks = tasks
        self._outbox = outbox
        self._patience = patience
        self._clock = clock
        self._refused = refused
        self._deliver: Courier[Any] = Courier("covalent-deliver", mailbox)
        self._idle: Courier[Any] = Courier("covalent-idle", mailbox)
        self._beat: Courier[Any] = Courier("covalent-beat", mailbox)
        self._listen: Courier[Any] = Courier("covalent-listen", mailbox)
        self._state = _State()
        self.contact = Contact(patience)
        #: Set when no more leases are wanted.
        self.draining = False

    @property
    def introduced(self) -> bool:
        """Whether the server knows this worker."""
        return self._state.introduced

    @property
    def delivering(self) -> bool:
        """Whether results or returned leases are on their way or wait to be."""
        return bool(len(self._outbox) or self._state.released or not self._deliver.idle)

    def step(self, now: float) -> None:
        """Say what there is to say."""
        self._state.released += self._tasks.take_released()
        if now < self.contact.not_before:
            return
        if not self._state.introduced and self._hello is not None:
            self._introduce(self._hello)
            return
        if self._deliver.idle and self._should_deliver(now):
            self._send_delivery()
        if self._idle.idle and self._deliver.idle and not self.draining:
            self._send_idle()
        if self._beat.idle:
            self._send_beat(now)
        if self._listen.idle:
            self._send_listening(now)

    def _introduce(self, hello: Hello) -> None:
        if not self._deliver.idle:
            return

        def errand() -> Welcome:
            return from_json(Welcome, self._server.post("/worker/hello", hello).plain)

        def done(welcome: Welcome) -> None:
            self.contact.kept()
            if not self._same_instance(welcome.instance):
                return
            self._state.introduced = True
            self._state.ttl = welcome.ttl
            self._state.last_beat = self._clock()
            self._tasks.introduced(welcome)

        self._deliver.send(errand, done, self._failed)

    def _should_deliver(self, now: float) -> bool:
        if self._state.released:
            return True
        if not len(self._outbox):
            return False
        if len(self._outbox) >= LARGEST_BATCH // 2 or not self._tasks.more_soon():
            return True
        if self._state.gathering_since is None:
            self._state.gathering_since = now
        return now - self._state.gathering_since >= self._patience.gathering

    @property
    def gathering(self) -> bool:
        """Whether a completion waits for others to come along."""
        return self._state.gathering_since is not None

    def _send_delivery(self) -> None:
        self._state.gathering_since = None
        entries = self._outbox.take()
        wanted = 0 if self.draining else self._tasks.capacity() - self._tasks.unfinished() - self._state.idle_wants
        released, self._state.released = tuple(self._state.released), []
        poll, blobs = _poll(self._worker, entries, want=max(0, min(LARGEST_BATCH, wanted)), released=released)
        poll = self._naming(poll)

        def done(answer: Answer) -> None:
            self.contact.kept()
            # An answer of another server acknowledges nothing.
            if self._same_instance(answer.work.instance):
                self._outbox.acknowledged(entries)
                self._tasks.told(poll, blobs)
                self._tasks.answered(answer)

        def failed(error: Exception) -> None:
            self._state.released.extend(released)
            if entries and _is_final(error):
                self._outbox.refused(entries, error)
            else:
                self._outbox.undelivered(entries)
                self._failed(error)

        self._deliver.send(lambda: self._post("/worker/poll", poll, blobs), done, failed)

    def _send_idle(self) -> None:
        wanted = min(LARGEST_BATCH, self._tasks.capacity() - self._tasks.unfinished())
        if wanted <= 0:
            return
        poll = self._naming(Poll(worker=self._worker, want=wanted, wait=self._patience.idle_poll))
        self._state.idle_wants = wanted

        def done(answer: Answer) -> None:
            self._state.idle_wants = 0
            self.contact.kept()
            if self._same_instance(answer.work.instance):
                self._tasks.told(poll, ())
                self._tasks.answered(answer)

        def failed(error: Exception) -> None:
            self._state.idle_wants = 0
            self._failed(error)

        self._idle.send(lambda: self._post("/worker/poll", poll, []), done, failed)

    def _send_beat(self, now: float) -> None:
        held = self._tasks.held()
        if not held:
            self._state.last_beat = now
            return
        due = now - self._state.last_beat >= self._state.ttl / 3
        started, preparing = self._tasks.newly_started(), self._tasks.newly_preparing()
        printed = None
        if due or now - self._state.last_streams >= self._patience.streams:
            self._state.last_streams = now
            printed = self._tasks.printed()
        if not (due or started or preparing or (printed and printed.chunks)):
            return
        self._state.last_beat = now
        poll = Poll(
            worker=self._worker,
            held=held,
            started=started,
            preparing=preparing,
            streams=tuple(printed.chunks) if printed else (),
        )
        blobs = printed.blobs if printed else ()

        def done(answer: Answer) -> None:
            self.contact.kept()
            if self._same_instance(answer.work.instance):
                self._tasks.told(poll, blobs)
                self._tasks.answered(answer)

        self._beat.send(lambda: self._post("/worker/heartbeat", poll, blobs), done, self._failed)

    def _send_listening(self, now: float) -> None:
        # A server that does not hold it back, or tells again what is being dropped, is not asked without end.
        if now - self._state.last_listening < self._patience.listen_pause or not self._tasks.listens():
            return
        self._state.last_listening = now
        poll = Poll(worker=self._worker, held=self._tasks.held(), wait=self._patience.listen)

        def done(answer: Answer) -> None:
            self.contact.kept()
            if self._same_instance(answer.work.instance):
                self._tasks.answered(answer)

        self._listen.send(lambda: self._post("/worker/heartbeat", poll, []), done, self._failed)

    def say_goodbye(self) -> None:
        """Tell the server that this worker leaves; called when nothing is held, and waits for the answer."""
        if self._state.introduced:
            try:
                self._server.post("/worker/bye", Bye(worker=self._worker), timeout=5.0)
            except ServerError as error:
                _log.info("could not say goodbye: %s", error)

    def _naming(self, poll: Poll) -> Poll:
        """The message with what is held, what has begun and what is being prepared."""
        return replace(
            poll,
            held=self._tasks.held(),
            started=self._tasks.newly_started(),
            preparing=self._tasks.newly_preparing(),
        )

    def _post(self, path: str, poll: Poll, blobs: Sequence[Any]) -> Answer:
        """Send a message; called in a courier's thread."""
        answer = self._server.post(path, poll, blobs=blobs, timeout=poll.wait + _ANSWER_SECONDS)
        work = from_json(Work, answer.plain)
        return Answer(started=poll.started, work=work, blobs=dict(zip(work.assets, answer.blobs, strict=True)))

    def _same_instance(self, instance: str) -> bool:
        if self._state.instance not in {None, instance}:
            self._refused(f"another server ({instance}) answers at {self._server.url} now")
            return False
        self._state.instance = instance
        return True

    def _failed(self, error: Exception) -> None:
        if isinstance(error, AuthenticationError):
            self._refused(str(error))
            return
        if isinstance(error, ServerError) and error.status == _NOT_FOUND:
            # The server does not know this worker (any more).
            self._state.introduced = False
        self.contact.failed(self._clock(), random.random(), error)  # noqa: S311 - not a secret


def _poll(
    worker: str, entries: Sequence[Entry], *, want: int, released: tuple[LeaseKey, ...]
) -> tuple[Poll, list[Buffer]]:
    """One message of several results: all their outputs first, then all that was printed."""
    outputs: list[Buffer] = []
    printed: list[Buffer] = []
    assets: list[str] = []
    streams: list[StreamChunk] = []
    for entry in entries:
        count = len(entry.result.assets)
        assets += entry.result.assets
        outputs += entry.blobs[:count]
        streams += entry.result.streams
        printed += entry.blobs[count:]
    first = len(outputs)
    poll = Poll(
        worker=worker,
        want=want,
        released=released,
        completions=tuple(entry.result.completion for entry in entries),
        assets=tuple(assets),
        streams=tuple(replace(chunk, blob=first + index) for index, chunk in enumerate(streams)),
    )
    return poll, outputs + printed


def _is_final(error: Exception) -> TypeGuard[ServerError]:
    """Whether the server will never take this message."""
    if not isinstance(error, ServerError) or isinstance(error, AuthenticationError):
        return False
    return 400 <= error.status < 500 and error.status not in {_NOT_FOUND, 408, 409, 429}
