"""Seeing to it that every pool with waiting tasks has a worker, where this server is the one to start it."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from covalent_server.core.events import LeaseEnd
from covalent_server.db import identity
from covalent_server.executors import local, registry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from covalent_server.db.identity import PoolRow, WorkerRow
    from covalent_server.settings import Settings

log = logging.getLogger(__name__)

#: Seconds without work after which a local worker goes.
MAX_IDLE: Final = 900.0
#: Starts in a row that may fail before a pool's tasks fail with the reason.
MAX_FAILED_STARTS: Final = 2
#: Seconds that workers have to finish what they run when the server stops, and then to be killed.
DRAIN_SECONDS: Final = 5.0
KILL_SECONDS: Final = 3.0
#: A worker that lived for so many seconds did not die of its start; the next one is started at once.
STEADY_SECONDS: Final = 30.0
#: Seconds before the next start, doubled with every worker that died young.
BACK_OFF_SECONDS: Final = 0.1
MAX_BACK_OFF_SECONDS: Final = 10.0
#: What the operating system says when it is the interpreter that cannot be run.
_INTERPRETERS_FAULT: Final = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EACCES,
        errno.EPERM,
        errno.EISDIR,
        errno.ENOEXEC,
        errno.ELOOP,
        errno.ENAMETOOLONG,
    }
)


@dataclass(slots=True)
class _Local:
    process: local.LocalWorker
    pool: PoolRow
    token_digest: str
    #: The worker's id, once it has introduced itself.
    worker: str | None = None
    #: What it was started with, by this server.
    python: str = ""
    started: float = field(default_factory=time.monotonic)
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Provisioning:
    """The local workers of this server."""

    def __init__(
        self,
        settings: Settings,
        *,
        machine: registry.Machine,
        url: str,
        mint: Callable[[str], Awaitable[tuple[str, str]]],
        fail: Callable[[PoolRow, str], Awaitable[None]],
        lost: Callable[[str | None, str, LeaseEnd], Awaitable[None]],
        silent: Callable[[str], bool],
        interpreter: Callable[[PoolRow], Awaitable[str | None]],
    ) -> None:
        """Staff pools for a server at ``url``.

        ``mint(owner)`` makes a worker token and its digest; ``fail(pool, reason)`` ends a pool's waiting tasks;
        ``lost(worker, token digest, how)`` takes back what a worker held that has gone; ``silent(worker)`` tells
        whether one has not been heard of for too long; ``interpreter(pool)`` is what a worker is started with, None
        where it is for somebody else to start one.
        """
        self._settings = settings
        self._directory = settings.data_dir / "workers"
        self._machine = machine
        self._url = url
        self._mint = mint
        self._fail = fail
        self._lost = lost
        self._silent = silent
        self._interpreter = interpreter
        self._workers: dict[int, _Local] = {}
        self._failed_starts: dict[int, int] = {}
        #: Workers of a pool that died in a row, and when the next one may be started.
        self._deaths: dict[int, int] = {}
        self._not_before: dict[int, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting: set[int] = set()
        #: Held while a process is started and not yet watched.
        self._placing = asyncio.Lock()
        self._closing = False

    async def adopt(self, worker: WorkerRow, pool: PoolRow) -> bool:
        """Take over a worker that an earlier server started; False when its process is gone."""
        process = await asyncio.to_thread(local.find, worker.pid)
        if process is None:
            return False
        self._watch(_Local(process, pool, await _token_digest(process), worker.id))
        return True

    async def adopt_unintroduced(self, pools: Sequence[PoolRow]) -> None:
        """Take over workers that were being started when an earlier server was killed."""
        numbered = {str(pool.id): pool for pool in pools}
        for found in await asyncio.to_thread(local.survivors, self._directory):
            process = None if found.pid in self._workers else await asyncio.to_thread(local.find, found.pid)
            if process is not None and found.pool in numbered:
                self._watch(_Local(process, numbered[found.pool], await _token_digest(process)))

    async def introduced(self, worker: WorkerRow, pool: PoolRow) -> None:
        """A worker on this machine has said hello: its start worked. One that is not known is taken over."""
        async with self._placing:
            found = self._workers.get(worker.pid)
            if found is None:
                await self.adopt(worker, pool)
            else:
                found.worker = worker.id
        self._failed_starts.pop(pool.id, None)

    async def ensure(self, pools: Sequence[PoolRow], shut: Collection[int] = ()) -> None:
        """Start a worker for each pool that has waiting tasks and none, but for those that are shut."""
        # A worker that has been stopped (SIGSTOP, a debugger) serves nobody; if it goes on, there are two of them.
        served = {
            item.pool.id for item in self._workers.values() if item.worker is None or not self._silent(item.worker)
        }
        for pool in pools:
            if pool.executor != registry.DASK and (refusal := self._machine.refusal(pool.place)):
                await self._fail(pool, refusal)
            elif pool.id not in served.union(self._starting, shut) and not self._closing and self._may_start(pool):
                self._starting.add(pool.id)
                try:
                    await self._start(pool)
                finally:
                    self._starting.discard(pool.id)

    def _may_start(self, pool: PoolRow) -> bool:
        return self._not_before.get(pool.id, 0.0) <= time.monotonic()

    def _back_off(self, pool: PoolRow) -> None:
        """Wait longer before each start that follows another death."""
        deaths = self._deaths.get(pool.id, 0) + 1
        self._deaths[pool.id] = deaths
        self._not_before[pool.id] = time.monotonic() + min(BACK_OFF_SECONDS * 2**deaths, MAX_BACK_OFF_SECONDS)

    async def _start(self, pool: PoolRow) -> None:
        python = await self._interpreter(pool)
        if python is None:
            return
        token, digest = await self._mint(pool.owner)
        order = local.Start(
            python=python,
            url=self._url,
            pool=str(pool.id),
            slots=registry.OBSERVER_SLOTS if pool.executor == registry.OBSERVER else self._settings.local_slots,
            token=token,
            directory=self._directory / f"pool-{pool.id}",
            max_idle=MAX_IDLE,
            ca_file=self._settings.tls_cert,
            dask=pool.place if pool.executor == registry.DASK else None,
        )
        async with self._placing:
            if self._closing:
                return
            try:
                process = await asyncio.to_thread(local.start, order, os.environ)
            except OSError as error:
                if error.errno in _INTERPRETERS_FAULT:
                    await self._fail(pool, f"the interpreter {python} cannot be run: {error}")
                else:  # out of processes, files, memory or disk: tried again
                    log.warning("could not start a worker pool=%s: %s", pool.id, error)
                    self._back_off(pool)
                return
            log.info("started a worker pid=%s pool=%s python=%s", process.pid, pool.id, python)
            self._watch(_Local(process, pool, digest, python=python))

    def _watch(self, item: _Local) -> None:
        self._workers[item.process.pid] = item
        loop = asyncio.get_running_loop()
        loop.add_reader(item.process, self._ended, item)

    def _ended(self, item: _Local) -> None:
        asyncio.get_running_loop().remove_reader(item.process)
        task = asyncio.create_task(self._bury(item))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bury(self, item: _Local) -> None:
        words = await asyncio.to_thread(item.process.last_words)
        await asyncio.to_thread(item.process.reap)
        del self._workers[item.process.pid]
        item.gone.set()
        log.info("a worker ended pid=%s pool=%s", item.process.pid, item.pool.id)
        if item.started + STEADY_SECONDS < time.monotonic():
            self._deaths.pop(item.pool.id, None)
        else:
            self._back_off(item.pool)
        if item.worker is None:
            failures = self._failed_starts.get(item.pool.id, 0) + 1
            self._failed_starts[item.pool.id] = failures
            if failures >= MAX_FAILED_STARTS and not self._closing:
                self._failed_starts.pop(item.pool.id)
                await self._fail(item.pool, _start_failure(item.python or item.pool.place, words))
        # Whoever is told to stop has not failed.
        how = LeaseEnd.TAKEN if self._closing else LeaseEnd.DIED
        await self._lost(item.worker, item.token_digest, how)

    async def close(self, *, keep_workers: bool) -> None:
        """Let local workers finish and go, within a bounded time; or leave them to the next server."""
        self._closing = True
        async with self._placing:  # what is being started is to be stopped, too
            pass
        if not keep_workers:
            for item in self._workers.values():
                if item.pool.executor == registry.OBSERVER:  # what looks at a directory never ends by itself
                    item.process.signal(signal.SIGKILL)
            for seconds, number in (
                (DRAIN_SECONDS, signal.SIGTERM),
                (KILL_SECONDS, signal.SIGTERM),
                (KILL_SECONDS, signal.SIGKILL),
            ):
                await self._signal_all(number, seconds)
        for item in list(self._workers.values()):
            asyncio.get_running_loop().remove_reader(item.process)
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _signal_all(self, number: signal.Signals, seconds: float) -> None:
        waiting = list(self._workers.values())
        for item in waiting:
            item.process.signal(number)
        deadline = time.monotonic() + seconds
        for item in waiting:
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    await item.gone.wait()
            except TimeoutError:
                continue


async def _token_digest(process: local.LocalWorker) -> str:
    return identity.token_digest(await asyncio.to_thread(process.token))


def _start_failure(python: str, words: str) -> str:
    if "Unknown option: -P" in words:  # Python 3.10 and older do not know it
        return f"{python} is older than Python 3.11, which Covalent needs; give the executor a newer interpreter"
    return (
        f"no worker could be started with {python}: it ended before it reported for work. If the environment lacks "
        f"the SDK, run: {python} -m pip install covalent-sdk\nIts last words were:\n{words or '(none)'}"
    )
