"""Slots: at most so many tasks at once, each in a runner that serves nothing else than what the task is part of.

A blank runner (started, not yet bound to anything) is kept in reserve, so that the first task of a new kind does not
wait for an interpreter. Tiny tasks are sent ahead; when the one before them turns out to be long they are taken back.
A runner, bound or blank, gets no task that arrives after a change of what is installed for its interpreter.
"""

from __future__ import annotations

import itertools
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from covalent.worker import installed
from covalent.worker.building import Builders
from covalent.worker.home import Home
from covalent.worker.machine import Machine, exceeds
from covalent.worker.mark import Position
from covalent.worker.orphans import Orphans
from covalent.worker.pace import AHEAD, Pace
from covalent.worker.process import ANY, Job, Runner, RunnerKey, interpreter_error
from covalent.worker.settings import Patience

#: A message larger than this is not sent ahead: it would wait in memory for a runner to read it.
_AHEAD_BYTES: Final = 64 * 1024
#: Blank runners kept at most; a machine with many slots is not to be filled with idle interpreters.
_RESERVE: Final = 4
#: How often the memory of a task is looked at that has a limit, in seconds.
_MEASURING_SECONDS: Final = 0.1


class Slots:
    """The runners of one worker, and the tasks that wait for one."""

    def __init__(  # noqa: PLR0913  each is a different thing, given by name
        self,
        *,
        machine: Machine,
        home: Home,
        environ: Mapping[str, str],
        pace: Pace,
        patience: Patience,
        started: Callable[[Runner], None],
        stopped: Callable[[Runner], None],
        unstartable: Callable[[Job, str], None],
        builders: Builders,
    ) -> None:
        """``started`` and ``stopped`` are told of every runner, ``unstartable`` of a task that none can be given."""
        self.count = machine.slots
        self.runners: list[Runner] = []
        self._home = home
        self._environ = environ
        self._machine = machine
        self._pace = pace
        self._patience = patience
        self._started = started
        self._stopped = stopped
        self._unstartable = unstartable
        self._builders = builders
        self._orphans = Orphans()
        self._waiting: dict[RunnerKey, deque[Job]] = {}
        self._numbers = itertools.count(1)
        self._measured_at = 0.0
        #: Whether tasks have arrived since the site directories were looked at.
        self._arrived = False

    def add(self, jobs: Iterable[Job], *, first: bool = False) -> None:
        """Tasks that wait for a runner; ``first`` for those that have waited before."""
        self._arrived = self._arrived or not first
        for job in reversed(list(jobs)) if first else jobs:
            job.number = job.number or next(self._numbers)
            queue = self._waiting.setdefault(job.key, deque())
            (queue.appendleft if first else queue.append)(job)

    def waiting(self) -> int:
        """How many tasks wait for a runner."""
        return sum(map(len, self._waiting.values()))

    def well_supplied(self) -> bool:
        """Whether every runner that has a task has several more."""
        supplies = [len(runner.jobs) for runner in self.runners if runner.jobs]
        return bool(supplies) and min(supplies) > AHEAD // 2

    def busy(self) -> int:
        """How many slots are taken."""
        return sum(runner.weight for runner in self.runners if runner.jobs)

    def take_waiting(self) -> list[Job]:
        """All tasks that wait; they are the caller's now."""
        jobs = [job for queue in self._waiting.values() for job in queue]
        self._waiting.clear()
        return jobs

    def remove_waiting(self, job_filter: Callable[[Job], bool]) -> None:
        """Forget the waiting tasks for which the filter holds."""
        for key, queue in list(self._waiting.items()):
            self._waiting[key] = deque(job for job in queue if not job_filter(job))

    def schedule(self, now: float) -> None:
        """Send every waiting task that a runner has room for."""
        if self._arrived:
            self._arrived = False
            self._part_with_outdated()
        # Those that have waited longest come first: tasks that need several slots at once would never find them free.
        for key, queue in sorted(self._waiting.items(), key=lambda item: item[1][0].number if item[1] else 0):
            self._refuse_impossible(key, queue)
            while queue:
                job = queue[0]
                job.tiny = self._pace.is_tiny(job.held.lease.function)
                try:
                    runner = self._runner_for(key, job)
                except (OSError, ValueError) as error:
                    queue.popleft()
                    self._unstartable(job, interpreter_error(key.python, str(error)))
                    continue
                if runner is None:
                    break
                queue.popleft()
                self._hand_over(job, runner, now)
            if not queue:
                del self._waiting[key]
            elif not self._has_room(key):
                break  # one that waits for slots is not overtaken; one that waits for GPUs does not mind
        for runner in list(self.runners):
            runner.channel.flush()
            if runner.gpus and not runner.jobs and now - runner.progress > self._patience.gpus:
                self._part_with(runner)

    def _hand_over(self, job: Job, runner: Runner, now: float) -> None:
        try:
            if runner.key is None:
                runner.weight = self._machine.weight(job.key.resources)
                runner.bind(job.key, job.bind)
            runner.send(job, now)
        except ValueError as error:
            self._unstartable(job, f"the task cannot be handed to the process that is to run it: {error}")

    def _refuse_impossible(self, key: RunnerKey, queue: deque[Job]) -> None:
        """End tasks that ask for more than there is."""
        refusal = "" if key.resources is ANY else self._machine.refusal(key.resources)
        while refusal and queue:
            self._unstartable(queue.popleft(), refusal)

    def keep_reserve(self) -> None:
        """Have blank runners: for some free slots at first, then one in reserve."""
        wanted = max(1, min(_RESERVE, self.count - len(self.runners)))
        blank = sum(runner.key is None for runner in self.runners)
        for _ in range(wanted - blank):
            self._start(sys.executable, self._machine.processors)

    def running(self, now: float, after: float, *, told: bool | None = None) -> Iterator[tuple[Runner, Job, Position]]:
        """The tasks that have begun and have run for ``after`` seconds, each with its position in the streams.

        With ``told``, only those of which the server does or does not know that they have begun.
        """
        for runner in self.runners:
            if runner.jobs and runner.ready and now - runner.progress >= after:
                if told is not None and runner.jobs[0].held.started_told is not told:
                    continue
                position = runner.current()
                if position is not None:
                    yield runner, runner.jobs[0], position

    def overdue(self, now: float) -> list[Runner]:
        """Runners that have not become ready in time."""
        limit = self._patience.start
        return [runner for runner in self.runners if not runner.ready and now - runner.started_at > limit]

    def stuck(self, now: float) -> Iterator[Job]:
        """Tasks sent ahead behind one that proves long; taken back."""
        for runner in self.runners:
            if len(runner.jobs) > 1 and runner.ready and now - runner.progress > self._patience.stuck:
                yield from runner.take_back()

    def outlasted(self, now: float) -> list[tuple[Runner, Job]]:
        """The tasks that have run for longer than they may, counted from their own begin."""
        found = []
        for runner in self.runners:
            limit = runner.jobs[0].held.lease.timeout if runner.jobs else None
            if limit is not None:
                position = runner.current()
                if position is not None and now - position.since >= limit:
                    found.append((runner, runner.jobs[0]))
        return found

    def too_large(self, now: float) -> list[tuple[Runner, Job]]:
        """The tasks that have more memory than they may; looked at a few times a second, and only with a limit."""
        first = [(runner, runner.jobs[0]) for runner in self.runners if runner.jobs]
        limited = [(runner, job, limit) for runner, job in first if (limit := job.key.resources.memory) is not None]
        if not limited or now - self._measured_at < _MEASURING_SECONDS:
            return []
        self._measured_at = now
        return [
            (runner, job)
            for runner, job, limit in limited
            if runner.current() is not None and exceeds(runner.pid, limit)
        ]

    def all_long(self, now: float) -> bool:
        """Whether every slot has been busy with the same task for a while."""
        limit = self._patience.hoarding
        long = sum(runner.weight for runner in self.runners if runner.jobs and now - runner.progress > limit)
        return long >= self.count

    def retire(self, runner: Runner) -> int | None:
        """End a runner and all that its tasks have started. Its streams can still be read.

        Returns the status that it ended with, None when it was killed.
        """
        self.runners.remove(runner)
        self._machine.gpus.give_back(runner.gpus)
        self._stopped(runner)
        status = runner.end()
        with self._builders.starting:
            self._orphans.end({other.pid for other in self.runners} | self._builders.processes())
        return status

    def _runner_for(self, key: RunnerKey, job: Job) -> Runner | None:
        """An idle runner of that key, else a new one if a slot is free, else one that takes a tiny task ahead."""
        ahead: Runner | None = None
        room = self._has_room(key)
        for runner in self.runners:
            if runner.key == key and not runner.spoiled:
                if not runner.jobs:
                    if room:
                        return runner
                    continue
                if self._takes_ahead(runner, job) and (ahead is None or len(runner.jobs) < len(ahead.jobs)):
                    ahead = runner
        return (self._blank(key) if room else None) or ahead

    def _has_room(self, key: RunnerKey) -> bool:
        """Whether as many slots are free as such a task takes."""
        return self.busy() + self._machine.weight(key.resources) <= self.count

    def _make_room(self) -> None:
        """End the bound runner that has been idle longest, when there are as many as slots."""
        if sum(runner.key is not None for runner in self.runners) >= self.count:
            idle = [runner for runner in self.runners if runner.key is not None and not runner.jobs]
            self._part_with(min(idle, key=lambda runner: runner.progress))

    def _part_with(self, runner: Runner) -> None:
        self.retire(runner)
        runner.remove()

    def _part_with_outdated(self) -> None:
        """No more tasks for runners whose packages were changed since they started; the idle ones end."""
        now: dict[str, int] = {}
        for runner in list(self.runners):
            now |= installed.stamps(runner.site.keys() - now.keys())
            if runner.spoiled or all(now[directory] == then for directory, then in runner.site.items()):
                continue
            runner.spoiled = "packages were installed, upgraded or removed"
            self.add(runner.take_back(), first=True)
            if not runner.jobs:
                self._part_with(runner)

    def _blank(self, key: RunnerKey) -> Runner | None:
        """A runner that is bound to nothing yet, and was started with what must be there from the start.

        None while other workers have the GPUs that it needs.
        """
        processors = key.resources.cpus or self._machine.processors
        gpus = self._machine.gpus.take(key.resources.gpus)
        if gpus is None:
            return None
        self._make_room()
        try:
            blank = [
                runner
                for runner in self.runners
                if runner.key is None and not gpus
                and (runner.python, runner.processors, runner.variables) == (key.python, processors, key.variables)
            ]  # fmt: skip
            ready = next((runner for runner in blank if runner.ready), blank[0] if blank else None)
            return ready or self._start(key.python, processors, gpus, key.variables)
        except (OSError, ValueError):
            self._machine.gpus.give_back(gpus)
            raise

    def _start(
        self,
        python: str,
        processors: int,
        gpus: tuple[str, ...] = (),
        variables: tuple[tuple[str, str], ...] = (),
    ) -> Runner:
        runner = Runner(python, self._home, self._environ, processors, gpus=gpus, variables=variables)
        self.runners.append(runner)
        self._started(runner)
        return runner

    def _takes_ahead(self, runner: Runner, job: Job) -> bool:
        """Whether a busy runner may be sent one more task."""
        # Filled up when half empty, so that several tasks go out, and come back, together.
        runner.filling = len(runner.jobs) <= AHEAD // 2 or (runner.filling and len(runner.jobs) < AHEAD)
        return (
            runner.filling
            and job.tiny
            and all(other.tiny for other in runner.jobs)
            and sum(map(len, job.blobs)) <= _AHEAD_BYTES
        )
