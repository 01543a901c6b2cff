"""One worker from its order to its end: in a thread of its own, so that a plugin that hangs holds up nobody else.

A job that was started is remembered in a file, so that the next provisioner of the same name finds it.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from covalent.provisioning.interface import Order, Provisioner
from covalent.wire.provisioning import Job, JobState

T = TypeVar("T")

_log = logging.getLogger("covalent.provisioning")

#: Told of one job, in characters.
_WORDS: Final = 4000
_NOTE: Final = "job.json"


@dataclass(slots=True, kw_only=True, eq=False)
class Place:
    """Where a job is remembered, and what a plugin may use for it."""

    directory: Path

    def note(self, job: str, pool: str, handle: str) -> None:
        """Remember a job that was started."""
        partial = self.directory / f".{_NOTE}"
        partial.write_text(json.dumps({"job": job, "pool": pool, "handle": handle}), encoding="utf-8")
        partial.replace(self.directory / _NOTE)

    def forget(self) -> None:
        """The job has ended."""
        shutil.rmtree(self.directory, ignore_errors=True)


def remembered(directory: Path) -> Iterator[tuple[str, str, str, Place]]:
    """Jobs that an earlier provisioner started: each job, its pool, its handle and its place."""
    for found in sorted(directory.glob("*/")):
        try:
            told = json.loads((found / _NOTE).read_text(encoding="utf-8"))
            yield str(told["job"]), str(told["pool"]), str(told["handle"]), Place(directory=found)
        except (OSError, ValueError, KeyError, TypeError):
            Place(directory=found).forget()  # it was killed before the worker was started


@dataclass(slots=True, kw_only=True, eq=False)
class LivingJob:
    """A worker while it is in the hands of this provisioner. Its thread alone calls the plugin for it."""

    job: str
    pool: str
    place: Place
    provisioner: Provisioner
    #: Called, in the job's thread, whenever there is something new to report.
    changed: Callable[[], None]
    order: Order | None = None
    handle: str | None = None
    #: Why it ended, once it has; empty when there is nothing to say.
    words: str | None = None
    #: When it was taken on, by the monotonic clock.
    began: float = field(default_factory=time.monotonic)
    _since: float = field(default_factory=time.time)
    #: Since when a call of the plugin is under way, by the monotonic clock.
    _calling: float | None = None
    _told_to_go: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Start, or take over."""
        threading.Thread(target=self._live, name=f"job {self.job[:8]}", daemon=True).start()

    def go(self) -> None:
        """Have the worker finish and go."""
        if not self._told_to_go.is_set():
            self._since = time.time()
            self._told_to_go.set()

    def hanging(self, now: float) -> str | None:
        """What to say of a call of the plugin that does not come back."""
        began = self._calling
        if began is None or now - began < self.provisioner.patience_seconds:
            return None
        what = "start a worker" if self.handle is None else "look after a worker"
        return f"the provisioner was asked to {what} and has not come back for {now - began:.0f} seconds"

    def record(self) -> Job:
        """As it is reported."""
        state = JobState.STARTING if self.handle is None else JobState.RUNNING
        if self._told_to_go.is_set():
            state = JobState.ENDING
        return Job(job=self.job, pool=self.pool, state=state, since=self._since, place=(self.handle or "")[:200])

    def _live(self) -> None:
        words = ""
        try:
            if self.handle is None:
                self._start()
            words = self._watch()
        except BaseException as error:  # noqa: BLE001 - a plugin's own code runs here, and may even try to exit
            _log.warning("a job failed pool=%s", self.pool, exc_info=error)
            words = f"{type(error).__name__}: {error}"
        self._calling = None
        self.place.forget()
        self.words = words.strip()[-_WORDS:]
        self.changed()

    def _start(self) -> None:
        assert self.order is not None  # noqa: S101 - a job without a handle is a new one
        order, self.order = self.order, None
        handle = str(self._call(lambda: self.provisioner.start(order)))
        self.place.note(self.job, self.pool, handle)
        self.handle, self._since = handle, time.time()
        self.changed()

    def _watch(self) -> str:
        handle = self.handle or ""
        told = False
        while (words := self._call(lambda: self.provisioner.ended(handle))) is None:
            if self._told_to_go.is_set():
                if not told:  # and not again: a worker that gets a second signal cuts its tasks off
                    told = True
                    self._call(lambda: self.provisioner.end(handle))
                time.sleep(min(0.1, self.provisioner.look_seconds))
            else:
                self._told_to_go.wait(self.provisioner.look_seconds)
        return str(words)

    def _call(self, call: Callable[[], T]) -> T:
        self._calling = time.monotonic()
        try:
            return call()
        finally:
            self._calling = None
