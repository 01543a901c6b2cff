"""The supervisor: one loop that waits for runners, couriers, timers and signals, and lets its rooms decide.

All state belongs to the loop's thread.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import platform
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from typing import Final

from covalent.errors import WorkerError
from covalent.http import Server
from covalent.wire import FEATURES, places
from covalent.wire.work import Hello
from covalent.worker.cluster.bridge import Bridge
from covalent.worker.cluster.messages import Post, packed
from covalent.worker.environment import with_server
from covalent.worker.exchange import Exchange
from covalent.worker.home import Home
from covalent.worker.local import Local
from covalent.worker.loop import Loop
from covalent.worker.place import Ends, Place
from covalent.worker.processes import start_janitor
from covalent.worker.settings import WorkerSettings
from covalent.worker.workload import Workload

_log = logging.getLogger("covalent.worker")

#: Threads that come back from the network wait at most this long for the interpreter, in seconds.
_SWITCH_SECONDS: Final = 0.0005
#: The longest sleep of the loop in seconds: when nothing is held, when tasks run, when some were sent ahead, and when
#: a completion waits for others.
_SLEEPS: Final = (0.5, 0.05, 0.02, 0.002)
_GATHER_SECONDS: Final = 0.0005


class Supervisor:
    """One worker, from its introduction to its goodbye."""

    def __init__(self, settings: WorkerSettings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._patience = settings.patience
        worker = secrets.token_hex(12)
        self._home = Home(settings.directory, worker)
        # Before anything starts a thread: it forks.
        start_janitor(self._home.registry)
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._loop = Loop()
        self._busy_at = time.monotonic()
        self._signals = 0
        self._open = False
        self._refusal: str | None = None
        server = Server(settings.server, settings.token, network=settings.network, token_sources=settings.token_source)
        self._workload = Workload(
            settings=settings,
            worker=worker,
            home=self._home,
            server=server,
            loop=self._loop,
            place=lambda ends: self._place(worker, environ, server, ends),
        )
        self._exchange = Exchange(
            server=server,
            worker=worker,
            hello=_hello(settings, worker),
            tasks=self._workload,
            outbox=self._workload.outbox,
            mailbox=self._loop.mailbox,
            patience=settings.patience,
            clock=time.monotonic,
            refused=self._refused,
        )

    def run(self) -> int:
        """Work until there is a reason to leave; returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        signal.set_wakeup_fd(self._loop.mailbox.waking, warn_on_full_buffer=False)
        self._workload.keep_reserve(time.monotonic())
        while (reason := self._reason_to_leave(time.monotonic())) is None:
            if self._workload.place.well_supplied():
                # Runners have milliseconds of work: let replies gather instead of waking up for each.
                time.sleep(_GATHER_SECONDS)
            happened = self._loop.turn(self._sleep())
            now = time.monotonic()
            self._workload.step(now)
            self._exchange.draining = self._workload.draining
            # Whoever has no place for tasks yet does not report for work.
            self._open = self._open or self._workload.capacity() > 0
            if self._open:
                self._exchange.step(now)
            if not happened:
                self._workload.keep_reserve(now)
        _log.info("leaving: %s", reason)
        self._workload.stop()
        if self._refusal is None and not self._workload.holding and not self._exchange.contact.lost_since:
            self._exchange.say_goodbye()
        self._home.leave()
        return 0 if self._refusal is None else 1

    def _place(self, worker: str, environ: Mapping[str, str], server: Server, ends: Ends) -> Place:
        """Where the tasks run."""
        if self._settings.dask is not None:
            return _bridge(self._settings, self._settings.dask, worker, self._loop, ends)
        return Local(
            settings=self._settings,
            environ=with_server(environ, self._settings.server, self._settings.network.ca_file),
            home=self._home,
            server=server,
            loop=self._loop,
            ends=ends,
        )

    def _sleep(self) -> float:
        idle, running, ahead, gathering = _SLEEPS
        sleep = idle
        if self._workload.holding:
            sleep = running
            if self._workload.place.hurried():
                sleep = ahead
        return gathering if self._exchange.gathering else sleep

    def _reason_to_leave(self, now: float) -> str | None:
        busy = self._is_busy()
        lost = self._exchange.contact.lost_for(now)
        if busy or lost or not self._exchange.introduced:  # who cannot ask for work is not idle
            self._busy_at = now
        idle_for = now - self._busy_at
        self._refusal = self._refusal or self._workload.place.fault()
        if self._refusal is not None:
            return self._refusal
        if self._signals > 1:
            return "stopped by a second signal"
        done = self._settings.once and self._workload.has_had_work and not busy
        if self._signals or done or (self._settings.max_idle is not None and idle_for > self._settings.max_idle):
            self._workload.drain()
            busy = self._is_busy()
        if self._workload.draining and (not busy or (lost and not self._workload.holding)):
            return "drained"
        if lost > (self._patience.unreachable_busy if busy else self._patience.unreachable_idle):
            return f"no server answered at {self._settings.server} for {lost:.0f} seconds"
        return None

    def _is_busy(self) -> bool:
        return bool(self._workload.holding or self._workload.outbox.unfinished or self._exchange.delivering)

    def _signalled(self, number: int, _: object) -> None:
        self._signals += 1
        _log.info("signal %s", signal.Signals(number).name)

    def _refused(self, reason: str) -> None:
        self._refusal = reason


def _bridge(settings: WorkerSettings, address: str, worker: str, loop: Loop, ends: Ends) -> Place:
    """The cluster of a Dask scheduler; raises WorkerError where Dask is not installed."""
    try:
        from covalent.worker.cluster.link import DaskLink  # noqa: PLC0415 - only bridges have Dask
    except ImportError as error:
        raise WorkerError(
            f"a Dask cluster is reached with the package distributed, and {error}; "
            f"run: {sys.executable} -m pip install 'covalent-sdk[dask]'"
        ) from error
    topic = f"covalent-{worker}"
    trusted = settings.network.ca_file
    authority = "" if trusted is None else trusted.read_text(encoding="ascii")
    post = Post(server=settings.server, token=settings.token, worker=worker, topic=topic, authority=authority)
    return Bridge(DaskLink(address, packed(post), topic, loop), ends)


def _hello(settings: WorkerSettings, worker: str) -> Hello:
    return Hello(
        features=tuple(sorted(FEATURES)),
        worker=worker,
        pool=settings.pool,
        slots=settings.slots,
        host=places.host_identity(),
        pid=os.getpid(),
        python=platform.python_version(),
        executable=sys.executable,
        cloudpickle=importlib.metadata.version("cloudpickle"),
        sdk=importlib.metadata.version("covalent-sdk"),
    )
