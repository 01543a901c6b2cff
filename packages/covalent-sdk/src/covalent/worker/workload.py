"""The leases of a worker: in from the server, to the place where tasks run, and out again as results."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from covalent.http import Server
from covalent.wire.work import LeaseKey, Poll, Welcome
from covalent.worker import spool
from covalent.worker.couriers import Courier
from covalent.worker.exchange import Answer
from covalent.worker.home import Home
from covalent.worker.ledger import Held, Ledger
from covalent.worker.loop import Loop
from covalent.worker.outbox import Outbox
from covalent.worker.pace import LARGEST_BATCH
from covalent.worker.place import Ends, Place, Printed
from covalent.worker.settings import WorkerSettings
from covalent.worker.spool import Entry

Buffer = bytes | bytearray | memoryview

_log = logging.getLogger("covalent.worker")
#: How often the worker looks for what nobody will ask for any more, in seconds.
_TIDYING_SECONDS: Final = 86400.0
#: Large results that are sent at the same time.
_UPLOADERS: Final = 2


class Workload:
    """What the worker has to do. All of it happens in the loop's thread."""

    def __init__(
        self,
        *,
        settings: WorkerSettings,
        worker: str,
        home: Home,
        server: Server,
        loop: Loop,
        place: Callable[[Ends], Place],
    ) -> None:
        """``place`` makes what runs the tasks, given what it is to tell of their ends."""
        self._home = home
        self._ledger = Ledger()
        self.outbox = Outbox(
            server=server,
            worker=worker,
            held=self._ledger.keys,
            spool=spool.Spool(home.spool),
            uploaders=[Courier(f"covalent-upload-{number}", loop.mailbox) for number in range(_UPLOADERS)],
            later=loop.later,
            patience=settings.patience,
        )
        self.place = place(self)
        self._pool = settings.pool
        self._once = settings.once
        #: Whether it has ever been given a task.
        self.has_had_work = False
        self._released: list[LeaseKey] = []
        #: Those of them, by token, that are never begun twice, until the server knows that they were not begun.
        self._unbegun: set[str] = set()
        self._later = loop.later
        self._tidying: Courier[None] = Courier("covalent-tidying", loop.mailbox)
        self._tidy()
        self.draining = False

    @property
    def holding(self) -> bool:
        """Whether any lease is held, or a task would be given up without word that it was not begun."""
        return len(self._ledger) > 0 or bool(self._unbegun)

    # -- what the exchange asks and tells

    def held(self) -> tuple[LeaseKey, ...]:
        """All leases that are held."""
        return self._ledger.keys()

    def newly_started(self) -> tuple[LeaseKey, ...]:
        """Leases whose task has begun a moment ago, or is to begin, and of which the server does not know that."""
        return self.place.beginning()

    def newly_preparing(self) -> tuple[LeaseKey, ...]:
        """Leases whose environment is being built, and of which the server does not know that."""
        return self.place.newly_preparing()

    def unfinished(self) -> int:
        """How many leases still have a task to run; those that wait for their environment leave room for others."""
        return self._ledger.unfinished - min(self.place.preparing, LARGEST_BATCH)

    def capacity(self) -> int:
        """How many unfinished leases to hold."""
        if self._once:
            return 0 if self.has_had_work else 1
        return self.place.capacity()

    def more_soon(self) -> bool:
        """Whether tiny tasks are under way, so that another completion comes within milliseconds."""
        return self.place.more_soon()

    def listens(self) -> bool:
        """Whether a task runs of which the server knows that it has begun."""
        return any(self.place.running(told=True))

    def printed(self) -> Printed:
        """What running tasks have printed that the server does not have."""
        return self.place.printed()

    def take_released(self) -> list[LeaseKey]:
        """Leases to be given back."""
        released, self._released = self._released, []
        return released

    def introduced(self, welcome: Welcome) -> None:
        """The server knows this worker: take over what dead workers left for it."""
        self._home.serves(welcome.instance, self._pool)
        for orphan in self._home.orphans(welcome.instance, self._pool):
            for entry in spool.read(orphan.spool):
                # What is gone cannot be sent: the task is going to be run again.
                if all(Path(path).exists() for path in entry.result.files.values()):
                    self.outbox.add(entry)
            self.outbox.flush()
            orphan.remove()
            _log.info("took over the results of a worker that had died")

    def told(self, poll: Poll, blobs: Sequence[Buffer]) -> None:
        """The server has answered this message: its completions are over, it has these pieces of streams."""
        self._ledger.told(poll, blobs)
        self.place.told(poll)
        self._unbegun.difference_update(key.token for key in poll.released)

    def answered(self, answer: Answer) -> None:
        """There are leases to run, to begin, or to drop."""
        for key in answer.work.drop:
            self._drop(key)
        for held in self.place.confirmed(answer.started, answer.work.begin):
            self._forget(held)
        for held in self._ledger.accept(answer.work.leases):
            if self.draining or (self._once and self.has_had_work):
                self.given_back([held])
            else:
                self.has_had_work = True
                self.place.take(held, answer.blobs)
        if answer.work.drain:
            self.drain()

    # -- what the loop tells

    def step(self, now: float) -> None:
        """Let the place go on, spool what is done, send what waits."""
        self.place.step(now)
        self.outbox.flush()

    def keep_reserve(self, now: float) -> None:
        """Make ready for what may come; called when there is nothing more urgent."""
        if not self.draining:
            self.place.keep_reserve(now)

    def drain(self) -> None:
        """Finish what has begun, give back the rest."""
        if self.draining:
            return
        _log.info("draining")
        self.draining = True
        self.given_back(self.place.release())

    def stop(self) -> None:
        """End all that runs; what is done is in the spool."""
        self.outbox.flush()
        self.place.stop()

    def _tidy(self) -> None:
        """Remove what nobody will ask for any more, now and then again."""

        def done(_: object) -> None:
            self._later(_TIDYING_SECONDS, self._tidy)

        self._tidying.send(lambda: self._home.forget_old(time.time()), done, done)

    # -- what the place tells

    def ended(self, held: Held, entry: Entry) -> None:
        """A task has come to its end, well or not."""
        if self._ledger.get(held.lease.key) is held:
            self._ledger.end(held)
            self.place.over(held)
            self.outbox.add(entry)

    def given_back(self, leases: Sequence[Held]) -> None:
        """Leases whose tasks were not begun, and will not be begun here."""
        for held in leases:
            self._forget(held)
            self._released.append(held.lease.key)
            if held.lease.at_most_once:
                self._unbegun.add(held.lease.key.token)

    # -- how leases go

    def _forget(self, held: Held) -> None:
        self._ledger.forget(held.lease.key)
        self.place.over(held)

    def _drop(self, key: LeaseKey) -> None:
        held = self._ledger.get(key)
        if held is not None and held.ended:
            return  # the answer crossed the completion, which has an answer of its own
        self._ledger.forget(key)
        if held is not None:  # else the answer with the lease itself is still on its way
            self.place.drop(held)
