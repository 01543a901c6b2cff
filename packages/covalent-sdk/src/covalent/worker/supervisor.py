"""The supervisor: one loop that waits for runners, couriers, timers and signals, and lets its rooms decide.

All state belongs to the loop's thread. Couriers only carry messages; what they bring is handled in the loop.
"""

from __future__ import annotations

import heapq
import importlib.metadata
import itertools
import logging
import os
import platform
import secrets
import selectors
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

from covalent.http import Server
from covalent.wire import FEATURES, places
from covalent.wire.work import Hello
from covalent.worker.couriers import Mailbox
from covalent.worker.environment import with_server
from covalent.worker.exchange import Exchange
from covalent.worker.home import Home
from covalent.worker.process import Runner
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
        self._selector = selectors.DefaultSelector()
        self._mailbox = Mailbox()
        self._selector.register(self._mailbox, selectors.EVENT_READ, self._mailbox.open)
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._writing: set[Runner] = set()
        self._busy_at = time.monotonic()
        self._signals = 0
        self._refusal: str | None = None
        server = Server(settings.server, settings.token, network=settings.network, token_sources=settings.token_source)
        self._workload = Workload(
            settings=settings,
            environ=with_server(environ, settings.server, settings.network.ca_file),
            worker=worker,
            home=self._home,
            server=server,
            mailbox=self._mailbox,
            loop=self,
        )
        self._exchange = Exchange(
            server=server,
            hello=_hello(settings, worker),
            tasks=self._workload,
            outbox=self._workload.outbox,
            mailbox=self._mailbox,
            patience=settings.patience,
            clock=time.monotonic,
            refused=self._refused,
        )

    def run(self) -> int:
        """Work until there is a reason to leave; returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        signal.set_wakeup_fd(self._mailbox.waking, warn_on_full_buffer=False)
        self._workload.keep_reserve(time.monotonic())
        while (reason := self._reason_to_leave(time.monotonic())) is None:
            if self._workload.slots.well_supplied():
                # Runners have milliseconds of work: let replies gather instead of waking up for each.
                time.sleep(_GATHER_SECONDS)
            events = self._selector.select(self._sleep())
            for key, _ in events:
                key.data()
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                heapq.heappop(self._timers)[2]()
            self._workload.step(now)
            self._exchange.draining = self._workload.draining
            self._exchange.step(now)
            self._watch_writing()
            if not events:
                self._workload.keep_reserve(now)
        _log.info("leaving: %s", reason)
        self._workload.stop()
        if self._refusal is None and not self._workload.holding and not self._exchange.contact.lost_since:
            self._exchange.say_goodbye()
        self._home.leave()
        return 0 if self._refusal is None else 1

    # -- what the workload asks of its loop

    def watch(self, runner: Runner) -> None:
        """Tell of the runner's replies and of its end."""
        self._selector.register(runner.channel, selectors.EVENT_READ, lambda: self._channel_event(runner))
        if runner.exit_descriptor is not None:
            self._selector.register(runner.exit_descriptor, selectors.EVENT_READ, lambda: self._workload.ended(runner))

    def unwatch(self, runner: Runner) -> None:
        """Tell nothing more of the runner."""
        self._writing.discard(runner)
        self._selector.unregister(runner.channel)
        if runner.exit_descriptor is not None:
            self._selector.unregister(runner.exit_descriptor)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Make a call after some seconds."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._count), call))

    # -- the loop's own

    def _channel_event(self, runner: Runner) -> None:
        if runner in self._writing:
            runner.channel.flush()
        self._workload.readable(runner)

    def _watch_writing(self) -> None:
        """Wait for room in a runner's socket only while something is to be written to it."""
        for runner in self._workload.slots.runners:
            if runner.channel.waiting != (runner in self._writing):
                events = selectors.EVENT_READ
                if runner.channel.waiting:
                    events |= selectors.EVENT_WRITE
                    self._writing.add(runner)
                else:
                    self._writing.discard(runner)
                self._selector.modify(runner.channel, events, self._selector.get_key(runner.channel).data)

    def _sleep(self) -> float:
        idle, running, ahead, gathering = _SLEEPS
        sleep = idle
        if self._workload.holding:
            sleep = running
            if any(len(runner.jobs) > 1 for runner in self._workload.slots.runners):
                sleep = ahead
        if self._exchange.gathering:
            sleep = gathering
        if self._timers:
            sleep = min(sleep, max(0.0, self._timers[0][0] - time.monotonic()))
        return sleep

    def _reason_to_leave(self, now: float) -> str | None:
        busy = self._is_busy()
        lost = self._exchange.contact.lost_for(now)
        if busy or lost or not self._exchange.introduced:  # who cannot ask for work is not idle
            self._busy_at = now
        idle_for = now - self._busy_at
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
