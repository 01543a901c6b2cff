"""Tasks in processes of this machine: leases become jobs, jobs wait for slots, runners come and go."""

from __future__ import annotations

import logging
import os
import selectors
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from covalent.http import Server
from covalent.wire.work import LeaseKey, Outcome, Poll, StreamChunk
from covalent.worker import endings, processes, streams
from covalent.worker.building import Builders
from covalent.worker.confirming import Confirming
from covalent.worker.couriers import Courier
from covalent.worker.home import Home
from covalent.worker.intake import Intake
from covalent.worker.ledger import Held
from covalent.worker.loop import Loop
from covalent.worker.machine import Gpus, Machine, visible_gpus
from covalent.worker.messages import Reply
from covalent.worker.pace import Pace
from covalent.worker.place import Ends, Printed
from covalent.worker.preparing import Preparation
from covalent.worker.process import Job, Runner, interpreter_error
from covalent.worker.settings import STREAM_MESSAGE_BYTES, WorkerSettings
from covalent.worker.slots import Slots

Buffer = bytes | bytearray | memoryview

_log = logging.getLogger("covalent.worker")
#: After a blank runner could not start, the next one is tried this much later, in seconds.
_RESERVE_PAUSE: Final = 30.0
#: Leases whose assets are fetched at the same time.
_FETCHERS: Final = 2
#: A task is failed when so many runners ended just before they began it.
_LOST: Final = 3


class Local:
    """The slots of one worker, and the way to them."""

    def __init__(
        self,
        *,
        settings: WorkerSettings,
        environ: Mapping[str, str],
        home: Home,
        server: Server,
        loop: Loop,
        ends: Ends,
    ) -> None:
        self._patience = settings.patience
        self._ends = ends
        self._selector = loop.selector
        self._writing: set[Runner] = set()
        self._pace = Pace()
        builders = Builders(settings.layers, environ, home.registry)
        self._preparation = Preparation(builders, loop.mailbox)
        self._slots = Slots(
            machine=Machine(
                settings.slots,
                max(1, len(os.sched_getaffinity(0)) // settings.slots),
                Gpus(visible_gpus(environ), settings.gpus),
            ),
            home=home,
            environ=environ,
            pace=self._pace,
            patience=settings.patience,
            started=self._watch,
            stopped=self._unwatch,
            unstartable=lambda job, reason: self._impossible(job.held, reason),
            builders=builders,
        )
        self._confirming = Confirming(settings.slots, begin=lambda job: self._slots.add([job]))
        self._intake = Intake(
            server=server,
            home=home,
            fetchers=[Courier(f"covalent-fetch-{number}", loop.mailbox) for number in range(_FETCHERS)],
            preparation=self._preparation,
            ready=self._ready,
            impossible=self._impossible,
            later=loop.later,
            patience=settings.patience,
        )
        self._reserve_not_before = 0.0

    # -- leases in and out

    def take(self, held: Held, blobs: Mapping[str, Buffer]) -> None:
        """Run the task of a lease that came with some of its assets, as soon as there is room."""
        self._intake.take(held, blobs)

    def over(self, held: Held) -> None:
        """A lease has ended, or is no longer this worker's."""
        self._confirming.forget(held.lease.key)

    def drop(self, held: Held) -> None:
        """A lease is no longer this worker's: stop its task if it runs."""
        self._confirming.forget(held.lease.key)
        self._intake.forget(held)
        self._slots.remove_waiting(lambda job: job.held is held)
        for runner in list(self._slots.runners):
            if any(job.held is held for job in runner.jobs):
                self._stop_task(runner, held)

    def release(self) -> list[Held]:
        """Give up all that was not begun; those leases."""
        waiting = [job.held for job in (*self._slots.take_waiting(), *self._confirming.release())]
        waiting += self._intake.release()
        for runner in self._slots.runners:
            waiting += [job.held for job in runner.take_back()]
        return waiting

    def capacity(self) -> int:
        """How many unfinished leases to hold."""
        # Behind tasks that prove long, nothing is to wait that another worker could run.
        slots = self._slots.count
        return slots if self._slots.all_long(time.monotonic()) else self._pace.capacity(slots)

    @property
    def preparing(self) -> int:
        """How many leases wait for their environment."""
        return self._preparation.waiting

    # -- what the server knows and is told

    def beginning(self) -> tuple[LeaseKey, ...]:
        """Leases whose task has begun a moment ago, or is to begin, and of which the server does not know that."""
        return (*self._confirming.asking(), *(held.lease.key for held in self.running(told=False)))

    def newly_preparing(self) -> tuple[LeaseKey, ...]:
        """Leases whose environment is being built, and of which the server does not know that."""
        return self._preparation.untold()

    def told(self, poll: Poll) -> None:
        """The server has answered this message."""
        self._preparation.told(poll.preparing)

    def confirmed(self, asked: Collection[LeaseKey], begin: Collection[LeaseKey]) -> list[Held]:
        """Of those that were named as started, the server lets these begin; the leases that have ended instead."""
        return self._confirming.answered(asked, begin)

    def running(self, *, told: bool) -> Iterator[Held]:
        """Leases whose task has begun a while ago, and of which the server does or does not know that."""
        running = self._slots.running(time.monotonic(), self._patience.started, told=told)
        return (job.held for _, job, _ in running)

    def more_soon(self) -> bool:
        """Whether tiny tasks are under way, so that another end comes within milliseconds."""
        return any(runner.jobs and runner.jobs[0].tiny for runner in self._slots.runners)

    def hurried(self) -> bool:
        """Whether tasks were sent ahead."""
        return any(len(runner.jobs) > 1 for runner in self._slots.runners)

    def well_supplied(self) -> bool:
        """Whether every runner that has a task has several more."""
        return self._slots.well_supplied()

    def printed(self) -> Printed:
        """What running tasks have printed that the server does not have."""
        chunks: list[StreamChunk] = []
        blobs: list[bytes] = []
        room = STREAM_MESSAGE_BYTES
        for runner, job, position in self._slots.running(time.monotonic(), self._patience.started):
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
        """Take back what is stuck, stop what has had its time, send what waits."""
        for runner in self._slots.overdue(now):
            self._ended(runner)
        for runner, job in self._slots.outlasted(now):
            self._stop_task(runner, job.held, Outcome.TIMED_OUT, endings.outlasted(job.held.lease.timeout or 0.0))
        for runner, job in self._slots.too_large(now):
            self._stop_task(runner, job.held, Outcome.DIED, endings.too_large(job.key.resources.memory or 0))
        self._slots.add(list(self._slots.stuck(now)), first=True)
        if (self._slots.waiting() or self._confirming) and self._slots.all_long(now):
            waiting = (*self._slots.take_waiting(), *self._confirming.release())
            self._ends.given_back([job.held for job in waiting])
        self._slots.schedule(now)
        self._watch_writing()

    def keep_reserve(self, now: float) -> None:
        """Have a runner in reserve."""
        if now >= self._reserve_not_before:
            try:
                self._slots.keep_reserve()
            except OSError as error:
                _log.error("cannot start a runner: %s", error)
                self._reserve_not_before = now + _RESERVE_PAUSE

    def fault(self) -> str | None:
        """Processes can be started at any time."""
        return None

    def stop(self) -> None:
        """Kill all runners."""
        self._preparation.stop()
        for runner in list(self._slots.runners):
            self._slots.retire(runner)
            runner.remove()

    def _watch(self, runner: Runner) -> None:
        self._selector.register(runner.channel, selectors.EVENT_READ, lambda: self._readable(runner))
        if runner.exit_descriptor is not None:
            self._selector.register(runner.exit_descriptor, selectors.EVENT_READ, lambda: self._ended(runner))

    def _unwatch(self, runner: Runner) -> None:
        self._writing.discard(runner)
        self._selector.unregister(runner.channel)
        if runner.exit_descriptor is not None:
            self._selector.unregister(runner.exit_descriptor)

    def _watch_writing(self) -> None:
        """Wait for room in a runner's socket only while something is to be written to it."""
        for runner in self._slots.runners:
            if runner.channel.waiting != (runner in self._writing):
                events = selectors.EVENT_READ
                if runner.channel.waiting:
                    events |= selectors.EVENT_WRITE
                    self._writing.add(runner)
                else:
                    self._writing.discard(runner)
                self._selector.modify(runner.channel, events, self._selector.get_key(runner.channel).data)

    def _readable(self, runner: Runner) -> None:
        """A runner has sent something, or ended, or has room for what is written to it."""
        if runner in self._writing:
            runner.channel.flush()
        if runner not in self._slots.runners:
            return
        for job, reply, blobs in runner.receive():
            runner.progress = time.monotonic()
            self._finished(runner, job, reply, blobs)
        if runner.channel.ended:
            self._ended(runner)
        elif runner.spoiled:
            self._slots.add(runner.take_back(), first=True)
            if not runner.jobs:  # else it is to finish what it has begun
                _log.info("replacing a runner: %s", runner.spoiled)
                self._slots.retire(runner)
                runner.remove()
        elif not runner.jobs:
            for file in runner.streams.values():
                file.empty_if_large()

    def _ended(self, runner: Runner) -> None:
        """A runner has died: the task that it had begun with it; the others have lost nothing."""
        if runner not in self._slots.runners:
            return
        status = self._slots.retire(runner)
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
        self._slots.add([job for job in jobs if job.sequence > begun], first=True)
        for job in jobs:
            if job.sequence <= begun:
                self._ends.ended(job.held, endings.cut_short(runner, job, Outcome.DIED, message))

    # -- how tasks begin and end

    def _ready(self, job: Job) -> None:
        """A task has all it needs; one that is never begun twice begins when the server has noted that."""
        if job.held.lease.at_most_once:
            self._confirming.take(job)
        else:
            self._slots.add([job])

    def _finished(self, runner: Runner, job: Job, reply: Reply, blobs: Sequence[memoryview]) -> None:
        self._pace.record(job.held.lease.function, reply.elapsed)
        self._ends.ended(job.held, endings.replied(runner, job, reply, blobs))

    def _could_not_start(self, runner: Runner) -> None:
        message = interpreter_error(runner.python, runner.startup_error())
        if not runner.jobs:
            _log.error(message)
            self._reserve_not_before = time.monotonic() + _RESERVE_PAUSE
        for job in runner.jobs:
            self._impossible(job.held, message)

    def _impossible(self, held: Held, message: str) -> None:
        self._ends.ended(held, endings.impossible(held, message))

    def _stop_task(self, runner: Runner, held: Held, outcome: Outcome = Outcome.DIED, message: str = "") -> None:
        """Kill a runner for the sake of one task; those sent behind it go to another one."""
        self._slots.add([job for job in runner.take_back() if job.held is not held], first=True)
        # Of those that are left only the last one runs; the replies of the others are on their way.
        if runner.jobs and runner.jobs[-1].held is held:
            self._slots.retire(runner)
            for job, reply, blobs in runner.receive():
                self._finished(runner, job, reply, blobs)
            for job in runner.jobs:  # none whose lease was dropped: it has been forgotten
                self._ends.ended(job.held, endings.cut_short(runner, job, outcome, message))
            runner.remove()
