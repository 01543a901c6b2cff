"""Asking the server what is wanted, and seeing to it; all decisions are made in one loop.

Threads bring news to the loop: one holds a request open, whose answer comes as soon as a pool wants a worker; each job
has its own. Whatever happened is reported whole, so that a report that was lost costs nothing.
"""

from __future__ import annotations

import logging
import os
import queue
import secrets
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final

from covalent.errors import AuthenticationError, ServerError, WireError
from covalent.http import Server
from covalent.provisioning.interface import Order, Pool, Provisioner
from covalent.provisioning.jobs import LivingJob, Place, remembered
from covalent.provisioning.needs import Needs
from covalent.wire import places
from covalent.wire.codec import from_json
from covalent.wire.provisioning import Demand, JobOrder, JobRequest, Leaving, Report

_log = logging.getLogger("covalent.provisioning")

#: How long the server is asked to hold an answer back until a worker is wanted, in seconds.
_LISTEN: Final = 20.0
#: Ended jobs that one report names at most.
_MOST: Final = 500
#: Seconds between two looks at the clock.
_TICK: Final = 1.0
#: The longest pause after a request that nobody answered, in seconds.
_LONGEST_PAUSE: Final = 5.0
#: Seconds that workers have to finish and go when the provisioner is to end.
DRAIN_SECONDS: Final = 20.0


class News(Enum):
    """What the loop is told besides what the server wants."""

    #: Something about a job is to be reported.
    CHANGED = auto()
    #: End the workers, and go.
    STOP = auto()
    #: Go and leave the workers; the next provisioner finds them.
    LEAVE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The server does not take this provisioner."""

    reason: str


class Driver:
    """One provisioner, from its first report to its goodbye."""

    def __init__(
        self, provisioner: Provisioner, server: Server, *, url: str, directory: Path, ca_file: Path | None = None
    ) -> None:
        """``url`` is where workers reach the server, whose certificate is vouched for by those in ``ca_file``.

        ``directory`` is this provisioner's alone.
        """
        self._provisioner = provisioner
        self._server = server
        self._url = url
        self._ca_file = ca_file
        self._jobs_directory = directory / "jobs"
        self._id = secrets.token_hex(12)
        self._jobs: dict[str, LivingJob] = {}
        self._ended: set[str] = set()
        self._needs = Needs()
        self._news: queue.SimpleQueue[News | Demand | Refused] = queue.SimpleQueue()
        self._leaving = threading.Event()

    def tell(self, news: News) -> None:
        """Tell the loop something, from any thread or from a signal's handler."""
        self._news.put(news)

    def run(self) -> int:
        """Provide workers until there is a reason to go; returns the exit code."""
        self._jobs_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.tell(News.STOP))
        for job, pool, handle, place in remembered(self._jobs_directory):
            self._take_on(job, pool, place, handle=handle)
        threading.Thread(target=self._listen, name="listener", daemon=True).start()
        while True:
            match self._next():
                case Demand() as demand:
                    self._needs.asked(demand, time.monotonic())
                case Refused(reason=reason):
                    _log.error("leaving: %s", reason)
                    self._leaving.set()
                    return 1
                case News.STOP | News.LEAVE as how:
                    return self._leave(end=how is News.STOP)
                case News.CHANGED:
                    self._bury()
                    self._report_now()
                case None:
                    pass
            self._provide()

    def _next(self) -> News | Demand | Refused | None:
        with suppress(queue.Empty):
            return self._news.get(timeout=_TICK)
        return None

    # -- jobs

    def _provide(self) -> None:
        """Start what is wanted and not there."""
        now = time.monotonic()
        for job in self._jobs.values():
            if (words := job.hanging(now)) is not None:
                self._needs.hangs(job.pool, job.job, words)
        for wanted in self._needs.open(now):
            pool = Pool(name=wanted.pool, attributes=wanted.attributes, waiting=wanted.waiting, workers=wanted.workers)
            there = sum(job.pool == pool.name for job in self._jobs.values())
            for _ in range(self._wish(pool) - there):
                if not self._order(pool.name, wanted.attributes):
                    return

    def _wish(self, pool: Pool) -> int:
        try:
            return int(self._provisioner.workers_for(pool))
        except Exception as error:  # noqa: BLE001 - a plugin's own code runs here
            self._needs.failed(pool.name, None, f"{type(error).__name__}: {error}", time.monotonic())
            return 0

    def _order(self, pool: str, attributes: Mapping[str, object]) -> bool:
        """Have a worker started; False when the server cannot be asked for its token."""
        request = JobRequest(provisioner=self._id, executor=self._provisioner.executor, pool=pool)
        try:
            order = from_json(JobOrder, self._server.post("/provisioning/jobs", request).plain)
        except (ServerError, WireError) as error:
            _log.warning("no token for a worker pool=%s: %s", pool, error)
            self._needs.pause(pool, time.monotonic())
            return False
        name = order.job[:16]
        directory = self._jobs_directory / name
        directory.mkdir(mode=0o700)
        self._take_on(
            order.job,
            pool,
            Place(directory=directory),
            order=Order(
                name=name,
                pool=pool,
                attributes=attributes,
                url=self._url,
                ca_file=self._ca_file,
                token=order.token,
                directory=directory,
                max_idle=self._provisioner.max_idle,
            ),
        )
        _log.info("starting a worker pool=%s job=%s", pool, name)
        return True

    def _take_on(
        self, job: str, pool: str, place: Place, *, order: Order | None = None, handle: str | None = None
    ) -> None:
        self._jobs[job] = LivingJob(
            job=job,
            pool=pool,
            place=place,
            provisioner=self._provisioner,
            changed=lambda: self.tell(News.CHANGED),
            order=order,
            handle=handle,
        )
        self._jobs[job].begin()

    def _bury(self) -> None:
        """Let go of jobs that have ended."""
        now = time.monotonic()
        for job in [item for item in self._jobs.values() if item.words is not None]:
            del self._jobs[job.job]
            self._ended.add(job.job)
            _log.info("a worker has ended pool=%s job=%s: %s", job.pool, job.job[:16], job.words or "(no words)")
            self._needs.ended(job.pool, job.job, job.words or "", began=job.began, now=now)

    # -- the server

    def _report(self, wait: float) -> Report:
        return Report(
            provisioner=self._id,
            executor=self._provisioner.executor,
            host=places.host_identity(),
            pid=os.getpid(),
            jobs=tuple(job.record() for job in self._jobs.copy().values() if job.words is None),
            ended=tuple(self._ended.copy())[:_MOST],  # the others with the next one
            faults=self._needs.faults(),
            wait=wait,
        )

    def _report_now(self) -> None:
        """Tell at once what has changed; what is not answered is told again with the next report."""
        with suppress(ServerError, WireError):
            self._exchange(0.0)

    def _exchange(self, wait: float) -> None:
        report = self._report(wait)
        answer = self._server.post("/provisioning/reports", report, timeout=wait + 30.0)
        self._news.put(from_json(Demand, answer.plain))
        self._ended.difference_update(report.ended)

    def _listen(self) -> None:
        """Always hold one request open; in a thread of its own."""
        pause, wait = 0.0, 0.0
        while not self._leaving.wait(pause):
            try:
                self._exchange(wait)
                pause, wait = 0.05, _LISTEN
            except AuthenticationError as error:
                self._news.put(Refused(reason=str(error)))
                return
            except (ServerError, WireError) as error:
                if not pause or wait:
                    _log.warning("no answer: %s", error)
                pause, wait = min(_LONGEST_PAUSE, max(0.1, pause * 2)), 0.0

    def _leave(self, *, end: bool) -> int:
        """Say goodbye; ended workers have a bounded time to finish."""
        self._leaving.set()
        if end:
            for job in self._jobs.values():
                job.go()
            deadline = time.monotonic() + DRAIN_SECONDS
            while self._jobs and time.monotonic() < deadline:
                self._bury()
                news = self._next()
                if news is News.STOP:  # a second one: whoever asks twice does not want to wait
                    break
        for_good = tuple(self._ended)[:_MOST]
        leaving = Leaving(provisioner=self._id, executor=self._provisioner.executor, ended=for_good)
        with suppress(ServerError, WireError):
            self._server.post("/provisioning/goodbyes", leaving, timeout=5.0)
        with suppress(Exception):  # a plugin's own code runs here
            self._provisioner.close()
        return 0
