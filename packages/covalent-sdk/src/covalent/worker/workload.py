"""The tasks of a worker: leases in, completions out, and whatever happens to runners in between."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from covalent.http import Server
from covalent.wire.work import LeaseKey, Outcome, Poll, StreamChunk, Welcome
from covalent.worker import endings, processes, spool, streams
from covalent.worker.building import Builders
from covalent.worker.confirming import Confirming
from covalent.worker.couriers import Courier, Mailbox
from covalent.worker.exchange import Answer, Printed
from covalent.worker.home import Home
from covalent.worker.intake import Intake
from covalent.worker.ledger import Held, Ledger
from covalent.worker.machine import Gpus, Machine, visible_gpus
from covalent.worker.messages import Reply
from covalent.worker.outbox import Outbox
from covalent.worker.pace import LARGEST_BATCH, Pace
from covalent.worker.preparing import Preparation
from covalent.worker.process import Job, Runner, interpreter_error
from covalent.worker.settings import STREAM_MESSAGE_BYTES, WorkerSettings
from covalent.worker.slots import Slots
from covalent.worker.spool import Entry

Buffer = bytes | bytearray | memoryview

_log = logging.getLogger("covalent.worker")
#: After a blank runner could not start, the next one is tried this much later, in seconds.
_RESERVE_PAUSE: Final = 30.0
#: How often the worker looks for what nobody will ask for any more, in seconds.
_TIDYING_SECONDS: Final = 86400.0
#: Leases whose assets are fetched at the same time, and large results that are sent at the same time.
_FETCHERS: Final = 2
_UPLOADERS: Final = 2
#: A task is failed when so many runners ended just before they began it.
_LOST: Final = 3


class Loop(Protocol):
    """What the tasks need of the loop that they live in."""

    def watch(self, runner: Runner) -> None:
        """Tell of the runner's replies and of its end."""

    def unwatch(self, runner: Runner) -> None:
        """Tell nothing more of the runner."""

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Make a call after some seconds."""


class Workload:
    """What the worker has to do. All of it happens in the loop's thread."""

    def __init__(
        self,
        *,
        settings: WorkerSettings,
        environ: Mapping[str, str],
        worker: str,
        home: Home,
        server: Server,
        mailbox: Mailbox,
        loop: Loop,
    ) -> None:
        self._patience = settings.patience
        self._home = home
        self._ledger = Ledger()
        self._pace = Pace()
        self.outbox = Outbox(
            server=server,
            worker=worker,
            held=self._ledger.keys,
            spool=spool.Spool(home.spool),
            uploaders=[Courier(f"covalent-upload-{number}", mailbox) for number in range(_UPLOADERS)],
            later=loop.later,
            patience=settings.patience,
        )
        builders = Builders(settings.layers, environ, home.registry)
        self._preparation = Preparation(builders, mailbox)
        self.slots = Slots(
            machine=Machine(
                settings.slots,
                max(1, len(os.sched_getaffinity(0)) // settings.slots),
                Gpus(visible_gpus(environ), settings.gpus),
            ),
            home=home,
            environ=environ,
            pace=self._pace,
            patience=settings.patience,
            started=loop.watch,
            stopped=loop.unwatch,
            unstartable=lambda job, reason: self._impossible(job.held, reason),
            builders=builders,
        )
        self._confirming = Confirming(settings.slots, begin=lambda job: self.slots.add([job]))
        self._intake = Intake(
            server=server,
            home=home,
            fetchers=[Courier(f"covalent-fetch-{number}", mailbox) for number in range(_FETCHERS)],
            preparation=self._preparation,
            ready=self._ready,
            impossible=self._impossible,
            later=loop.later,
            patience=settings.patience,
        )
        self._pool = settings.pool
        self._once = settings.once
        #: Whether it has ever been given a task.
        self.has_had_work = False
        self._released: list[LeaseKey] = []
        #: Those of them, by token, that are never begun twice, until the server knows that they were not begun.
        self._unbegun: set[str] = set()
        self._reserve_not_before = 0.0
        self._later = loop.later
        self._tidying: Courier[None] = Courier("covalent-tidying", mailbox)
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
        running = self.slots.running(time.monotonic(), self._patience.started, told=False)
        return (*self._confirming.asking(), *(job.held.lease.key for _, job, _ in running))

    def newly_preparing(self) -> tuple[LeaseKey, ...]:
        """Leases whose environment is being built, and of which the server does not know that."""
        return self._preparation.untold()

    def unfinished(self) -> int:
        """How many leases still have a task to run; those that wait for their environment leave room for others."""
        return self._ledger.unfinished - min(self._preparation.waiting, LARGEST_BATCH)

    def capacity(self) -> int:
        """How many unfinished leases to hold."""
        if self._once:
            return 0 if self.has_had_work else 1
        # Behind tasks that prove long, nothing is to wait that another worker could run.
        return self.slots.count if self.slots.all_long(time.monotonic()) else self._pace.capacity(self.slots.count)

    def more_soon(self) -> bool:
        """Whether tiny tasks are under way, so that another completion comes within milliseconds."""
        return any(runner.jobs and runner.jobs[0].tiny for runner in self.slots.runners)

    def listens(self) -> bool:
        """Whether a task runs of which the server knows that it has begun."""
        return any(self.slots.running(time.monotonic(), self._patience.started, told=True))

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
        self._ledger.started_was_told(poll.started)
        self._preparation.told(poll.preparing)
        self._unbegun.difference_update(key.token for key in poll.released)
        for completion in poll.completions:
            self._ledger.forget(completion.key)
        for chunk in poll.streams:
            held = self._ledger.get(chunk.key)
            if held is not None:
                held.sent[chunk.stream] = max(held.sent.get(chunk.stream, 0), chunk.offset + len(blobs[chunk.blob]))

    def answered(self, answer: Answer) -> None:
        """There are leases to run, to begin, or to drop."""
        for key in answer.work.drop:
            self._drop(key)
        for held in self._confirming.answered(answer.started, answer.work.begin):
            self._forget(held.lease.key)
        for held in self._ledger.accept(answer.work.leases):
            if self.draining or (self._once and self.has_had_work):
                self._give_back([held])
            else:
                self.has_had_work = True
                self._intake.take(held, answer.blobs)
        if answer.work.drain:
            self.drain()

    def printed(self) -> Printed:
        """What running tasks have printed that the server does not have."""
        chunks: list[StreamChunk] = []
        blobs: list[bytes] = []
        room = STREAM_MESSAGE_BYTES
        for runner, job, position in self.slots.running(time.monotonic(), self._patience.started):
            for name, start in (("stdout", position.stdout), ("stderr", position.stderr)):
                file = runner.streams[name]
                if len(runner.jobs) == 1:
                    file.bound(start)
                size, sent = file.size(), job.held.sent.get(name, 0)
                masks = runner.disclosures.masks()
                for offset, data in streams.pieces(file, start, size, sent, most=room, masks=masks, running=True):
                    chunks.append(StreamChunk(key=job.held.lease.key, stream=name, offset=offset, blob=len(blobs)))
                    blobs.append(data)
                    room -= len(data)
                    if room <= 0:
                        return Printed(chunks=chunks, blobs=blobs)
        return Printed(chunks=chunks, blobs=blobs)

    # -- what the loop tells

    def step(self, now: float) -> None:
        """Spool what is done, take back what is stuck, send what waits."""
        for runner in self.slots.overdue(now):
            self.ended(runner)
        for runner, job in self.slots.outlasted(now):
            self._stop_task(runner, job.held, Outcome.TIMED_OUT, endings.outlasted(job.held.lease.timeout or 0.0))
        for runner, job in self.slots.too_large(now):
            self._stop_task(runner, job.held, Outcome.DIED, endings.too_large(job.key.resources.memory or 0))
        self.slots.add(list(self.slots.stuck(now)), first=True)
        if (self.slots.waiting() or self._confirming) and self.slots.all_long(now):
            self._give_back([job.held for job in (*self.slots.take_waiting(), *self._confirming.release())])
        self.slots.schedule(now)
        self.outbox.flush()

    def keep_reserve(self, now: float) -> None:
        """Have a runner in reserve; called when there is nothing more urgent."""
        if now >= self._reserve_not_before and not self.draining:
            try:
                self.slots.keep_reserve()
            except OSError as error:
                _log.error("cannot start a runner: %s", error)
                self._reserve_not_before = now + _RESERVE_PAUSE

    def readable(self, runner: Runner) -> None:
        """A runner has sent something, or ended."""
        if runner not in self.slots.runners:
            return
        for job, reply, blobs in runner.receive():
            runner.progress = time.monotonic()
            self._finished(runner, job, reply, blobs)
        if runner.channel.ended:
            self.ended(runner)
        elif runner.spoiled:
            self.slots.add(runner.take_back(), first=True)
            if not runner.jobs:  # else it is to finish what it has begun
                _log.info("replacing a runner: %s", runner.spoiled)
                self.slots.retire(runner)
                runner.remove()
        elif not runner.jobs:
            for file in runner.streams.values():
                file.empty_if_large()

    def ended(self, runner: Runner) -> None:
        """A runner has died: the task that it had begun with it; the others have lost nothing."""
        if runner not in self.slots.runners:
            return
        status = self.slots.retire(runner)
        for job, reply, blobs in runner.receive():
            self._finished(runner, job, reply, blobs)
        if not runner.ready:
            self._could_not_start(runner)
        else:
            self._share_out(runner, processes.died_message(status))
        runner.remove()

    def _share_out(self, runner: Runner, message: str) -> None:
        """Of the tasks of a dead runner, fail the one that it had begun; the others go to another runner."""
        begun = runner.position().begun
        jobs, runner.jobs = list(runner.jobs), deque()
        if jobs and jobs[0].sequence > begun:
            jobs[0].lost += 1
            if jobs[0].lost >= _LOST:
                last = "" if begun else f"\n{runner.startup_error()}"
                self._impossible(
                    jobs.pop(0).held, f"{_LOST} times, before the task began, {message}; see the worker's log{last}"
                )
        self.slots.add([job for job in jobs if job.sequence > begun], first=True)
        for job in jobs:
            if job.sequence <= begun:
                self._end(job.held, endings.cut_short(runner, job, Outcome.DIED, message))

    def _tidy(self) -> None:
        """Remove what nobody will ask for any more, now and then again."""

        def done(_: object) -> None:
            self._later(_TIDYING_SECONDS, self._tidy)

        self._tidying.send(lambda: self._home.forget_old(time.time()), done, done)

    def drain(self) -> None:
        """Finish what has begun, give back the rest."""
        if self.draining:
            return
        _log.info("draining")
        self.draining = True
        waiting = [job.held for job in (*self.slots.take_waiting(), *self._confirming.release())]
        waiting += self._intake.release()
        for runner in self.slots.runners:
            waiting += [job.held for job in runner.take_back()]
        self._give_back(waiting)
        self._preparation.stop()

    def stop(self) -> None:
        """Kill all runners; what is done is in the spool."""
        self.outbox.flush()
        self._preparation.stop()
        for runner in list(self.slots.runners):
            self.slots.retire(runner)
            runner.remove()

    # -- how tasks begin and end

    def _ready(self, job: Job) -> None:
        """A task has all it needs; one that is never begun twice begins when the server has noted that."""
        if job.held.lease.at_most_once:
            self._confirming.take(job)
        else:
            self.slots.add([job])

    def _finished(self, runner: Runner, job: Job, reply: Reply, blobs: Sequence[memoryview]) -> None:
        self._pace.record(job.held.lease.function, reply.elapsed)
        self._end(job.held, endings.replied(runner, job, reply, blobs))

    def _could_not_start(self, runner: Runner) -> None:
        message = interpreter_error(runner.python, runner.startup_error())
        if not runner.jobs:
            _log.error(message)
            self._reserve_not_before = time.monotonic() + _RESERVE_PAUSE
        for job in runner.jobs:
            self._impossible(job.held, message)

    def _impossible(self, held: Held, message: str) -> None:
        self._end(held, endings.impossible(held, message))

    def _end(self, held: Held, entry: Entry) -> None:
        if self._ledger.get(held.lease.key) is held:
            self._ledger.end(held)
            self._confirming.forget(held.lease.key)
            self.outbox.add(entry)

    # -- how leases go

    def _give_back(self, leases: Sequence[Held]) -> None:
        for held in leases:
            self._forget(held.lease.key)
            self._released.append(held.lease.key)
            if held.lease.at_most_once:
                self._unbegun.add(held.lease.key.token)

    def _forget(self, key: LeaseKey) -> None:
        self._ledger.forget(key)
        self._confirming.forget(key)

    def _drop(self, key: LeaseKey) -> None:
        held = self._ledger.get(key)
        if held is not None and held.ended:
            return  # the answer crossed the completion, which has an answer of its own
        self._forget(key)
        if held is None:
            return  # the answer with the lease itself is still on its way
        self._intake.forget(held)
        self.slots.remove_waiting(lambda job: job.held is held)
        for runner in list(self.slots.runners):
            if any(job.held is held for job in runner.jobs):
                self._stop_task(runner, held)

    def _stop_task(self, runner: Runner, held: Held, outcome: Outcome = Outcome.DIED, message: str = "") -> None:
        """Kill a runner for the sake of one task; those sent behind it go to another one."""
        self.slots.add([job for job in runner.take_back() if job.held is not held], first=True)
        # Of those that are left only the last one runs; the replies of the others are on their way.
        if runner.jobs and runner.jobs[-1].held is held:
            self.slots.retire(runner)
            for job, reply, blobs in runner.receive():
                self._finished(runner, job, reply, blobs)
            for job in runner.jobs:  # none whose lease was dropped: it has been forgotten
                self._end(job.held, endings.cut_short(runner, job, outcome, message))
            runner.remove()
