"""Pools whose workers are started elsewhere: what provisioners are asked for, and what they report.

All of it is in memory but the names of the executors that have had a provisioner: reports are whole, and after a
restart the first of them says everything again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from covalent.errors import WireError
from covalent.wire.provisioning import Demand, Fault, Job, JobOrder, JobState, WantedPool
from covalent_server.core.errors import UnknownProvisionerError
from covalent_server.core.planning import check_text
from covalent_server.core.staffing import Staffing, given_up
from covalent_server.db import provisioning as rows
from covalent_server.engine.bell import heard
from covalent_server.engine.shared import Shared, monotonic, now
from covalent_server.engine.submission import check_protocol
from covalent_server.executors import registry

if TYPE_CHECKING:
    from covalent.wire.provisioning import JobRequest, Leaving, Report
    from covalent_server.core.waiting import WorkerFacts
    from covalent_server.db.identity import PoolRow

log = logging.getLogger(__name__)

#: Seconds that an answer is held back at most.
MAX_WAIT: Final = 30.0
#: Seconds after which a provisioner that has not been heard of is gone.
GONE_SECONDS: Final = 60.0
#: Jobs and faults that one report may name.
MAX_ITEMS: Final = 1000
#: Kept of a fault's message, in characters.
MAX_MESSAGE: Final = 4000


@dataclass(slots=True, kw_only=True, eq=False)
class _Present:
    """A provisioner that reports here."""

    owner: str
    executor: str
    host: str = ""
    pid: int = 0
    heard: float
    waiting: int = 0
    jobs: tuple[Job, ...] = ()
    faults: dict[str, Fault] = field(default_factory=dict)
    #: Jobs whose workers have come: what is said of their end is no failed start.
    excused: set[str] = field(default_factory=set)
    #: Workers that it has had tokens for.
    orders: set[str] = field(default_factory=set)
    #: Pools that it was told of since they have no worker.
    told: set[int] = field(default_factory=set)

    @property
    def there(self) -> bool:
        return self.waiting > 0 or self.heard + GONE_SECONDS > monotonic()


class Provisioners:
    """Who starts workers for this server's pools, for each account and executor."""

    def __init__(
        self,
        shared: Shared,
        *,
        workers: Callable[[], Mapping[int, Sequence[WorkerFacts]]],
        mint: Callable[[str], Awaitable[tuple[str, str]]],
        dismiss: Callable[[str, str, str | None], Awaitable[None]],
        fail: Callable[[PoolRow, str], Awaitable[None]],
    ) -> None:
        """Answer provisioners for a server.

        ``workers()`` are those who report, by pool; ``mint(owner)`` makes a worker's token and its digest;
        ``dismiss(owner, token digest, worker)`` takes both out of force again, and back what the worker held;
        ``fail(pool, reason)`` ends a pool's waiting tasks.
        """
        self._shared = shared
        self._all_workers = workers
        self._mint = mint
        self._dismiss = dismiss
        self._fail = fail
        self._present: dict[str, _Present] = {}
        #: Accounts and executors that have had a provisioner at some time.
        self._announced: set[tuple[str, str]] = set()
        #: Pools in which tasks wait, and since when there is no worker for them, by the monotonic clock.
        self._wanted: dict[int, PoolRow] = {}
        self._unserved: dict[int, float] = {}
        #: Which provisioner looks after a pool, of several.
        self._claims: dict[int, str] = {}
        #: The workers that came of jobs.
        self._workers: dict[str, str] = {}
        #: Why provisioners that this server starts itself have ended, by executor, until a worker comes.
        self._down: dict[str, Fault] = {}
        #: Workers that provisioners had tokens for which are gone, by account, executor and host.
        self._left: dict[tuple[str, str, str], set[str]] = {}

    async def recover(self) -> None:
        """Know again which executors have provisioners."""
        self._announced = set(await self._shared.read(rows.announced))

    def known(self, owner: str) -> tuple[str, ...]:
        """The executors for which an account has had a provisioner, and those that this server starts itself."""
        announced = {executor for account, executor in self._announced if account == owner}
        return tuple(sorted(announced | set(self._shared.settings.provisioners)))

    def introduced(self, digest: str, worker: str) -> None:
        """A worker has come with the token of that digest."""
        self._workers[digest] = worker

    def down(self, executor: str, pid: int, words: str) -> None:
        """A provisioner that this server had started has ended with these words."""
        self._down[executor] = Fault(pool="", message=words, at=now())
        for name, item in list(self._present.items()):
            if (item.executor, item.host, item.pid) == (executor, self._shared.host, pid):
                self._drop(name)

    # -- what provisioners say

    async def report(self, owner: str, report: Report) -> Demand:
        """Take in how a provisioner stands; answered with what is wanted, as soon as it has not been told of it."""
        check_protocol(report.protocol, ())
        _check(report)
        present = self._present.get(report.provisioner)
        if present is None:
            present = await self._welcome(owner, report)
        if (present.owner, present.executor) != (owner, report.executor):
            raise UnknownProvisionerError(report.provisioner)
        self._take_in(present, report)
        present.orders.difference_update(report.ended)
        for digest in report.ended:
            await self._dismiss(owner, digest, self._workers.pop(digest, None))
        deadline = monotonic() + min(report.wait, MAX_WAIT)
        present.waiting += 1
        try:
            with self._shared.bell.listen(("provisioner", owner, report.executor)) as event:
                while not self._news_for(report.provisioner, present):
                    event.clear()
                    if not await heard(event, deadline - monotonic()):
                        break
        finally:
            present.waiting -= 1
            present.heard = monotonic()
        return await self._demand(report.provisioner, present)

    async def order(self, owner: str, request: JobRequest) -> JobOrder:
        """A provisioner is about to start a worker: it gets a token for it."""
        pool = next((item for item in self._wanted.values() if str(item.id) == request.pool), None)
        present = self._present.get(request.provisioner)
        if (
            present is None
            or pool is None
            or (owner, request.executor) != (present.owner, present.executor)
            or (owner, request.executor) != (pool.owner, pool.executor)
        ):
            raise UnknownProvisionerError(request.provisioner)
        self._claims[pool.id] = request.provisioner
        token, digest = await self._mint(owner)
        present.orders.add(digest)
        return JobOrder(job=digest, token=token)

    async def leave(self, owner: str, leaving: Leaving) -> None:
        """A provisioner goes."""
        present = self._present.get(leaving.provisioner)
        if present is None or present.owner != owner:
            raise UnknownProvisionerError(leaving.provisioner)
        present.orders.difference_update(leaving.ended)
        self._drop(leaving.provisioner)
        for digest in leaving.ended:
            await self._dismiss(owner, digest, self._workers.pop(digest, None))
        self._ring([present.executor], owner)

    async def _welcome(self, owner: str, report: Report) -> _Present:
        if (owner, report.executor) not in self._announced:
            executor = report.executor
            await self._shared.write(lambda session: rows.announce(session, owner, executor))
            self._announced.add((owner, executor))
        log.info("a provisioner reports executor=%s host=%s", report.executor, report.host)
        found = self._present.setdefault(
            report.provisioner,
            _Present(owner=owner, executor=report.executor, host=report.host, pid=report.pid, heard=monotonic()),
        )
        # What one before it has started it knows from its notes; what is not there never became a worker.
        known = {job.job for job in report.jobs}
        for digest in self._left.pop((owner, report.executor, report.host), set()) - known - self._workers.keys():
            await self._dismiss(owner, digest, None)
        return found

    def _drop(self, name: str) -> None:
        gone = self._present.pop(name)
        self._left.setdefault((gone.owner, gone.executor, gone.host), set()).update(gone.orders)

    def _take_in(self, present: _Present, report: Report) -> None:
        at = now()
        present.heard = monotonic()
        present.jobs = tuple(replace(job, since=min(max(job.since, 0.0), at)) for job in report.jobs)
        named = {fault.job for fault in report.faults if fault.job is not None}
        present.excused = {job for job in named if job in self._workers or job in present.excused}
        present.faults = {
            fault.pool: replace(fault, at=min(max(fault.at, 0.0), at))
            for fault in report.faults
            if fault.job not in present.excused
        }

    def _news_for(self, name: str, present: _Present) -> bool:
        return bool(self._pools_of(name, present).keys() & self._unserved.keys() - present.told)

    def _pools_of(self, name: str, present: _Present) -> dict[int, PoolRow]:
        """The pools that a provisioner is to look after: of its kind, and nobody else's."""
        return {
            pool.id: pool
            for pool in self._wanted.values()
            if (pool.owner, pool.executor) == (present.owner, present.executor)
            and self._holder(pool.id) in (None, name)
        }

    def _holder(self, pool: int) -> str | None:
        name = self._claims.get(pool)
        present = self._present.get(name) if name is not None else None
        return name if present is not None and present.there else None

    async def _demand(self, name: str, present: _Present) -> Demand:
        pools = self._pools_of(name, present)
        present.told = set(pools) & self._unserved.keys()
        waiting = await self._shared.read(lambda session: rows.waiting(session, list(pools))) if pools else {}
        workers = self._all_workers()
        return Demand(
            instance=self._shared.instance,
            pools=tuple(
                WantedPool(
                    pool=str(pool.id),
                    attributes=json.loads(pool.place or "{}"),
                    waiting=waiting.get(pool.id, 0),
                    workers=len(_reachable(workers.get(pool.id, ()))),
                )
                for pool in pools.values()
            ),
        )

    # -- what pools need

    async def ensure(self, pools: Iterable[PoolRow], shut: Collection[int] = ()) -> None:
        """Ask for workers where tasks wait, but for pools that are shut; fail what nobody will ever start one for."""
        workers = self._all_workers()
        for name in [name for name, item in self._present.items() if not item.there]:
            self._drop(name)
        wanted = {}
        for pool in pools:
            if pool.executor not in self.known(pool.owner):
                await self._fail(pool, registry.unknown_reason(pool.executor, self.known(pool.owner)))
            if pool.executor not in self.known(pool.owner) or pool.id in shut:
                continue
            wanted[pool.id] = pool
            if _reachable(workers.get(pool.id, ())):
                self._unserved.pop(pool.id, None)
                self._down.pop(pool.executor, None)
            elif pool.id not in self._unserved:
                self._unserved[pool.id] = monotonic()
                self._wanted[pool.id] = pool
                self._ring([pool.executor], pool.owner)
        self._wanted = wanted
        self._unserved = {pool: since for pool, since in self._unserved.items() if pool in wanted}
        for present in self._present.values():
            present.told &= self._unserved.keys()
        await self._give_up()

    async def _give_up(self) -> None:
        patience = self._shared.settings.provision_timeout
        for number, since in list(self._unserved.items()):
            pool = self._wanted[number]
            staffing = self.staffing(pool.owner, pool.executor, number)
            if staffing is None:
                continue
            reason = given_up(staffing, unserved=monotonic() - since, patience=patience)
            if reason is not None:
                del self._unserved[number]
                await self._fail(pool, reason)

    def staffing(self, owner: str, executor: str, pool: int) -> Staffing | None:
        """How a pool gets its workers; None where this server starts them."""
        if executor in registry.OWN:
            return None
        there = [item for item in self._present.values() if (item.owner, item.executor) == (owner, executor)]
        jobs = [job for item in there for job in item.jobs if job.pool == str(pool)]
        jobs = [job for job in jobs if job.state is not JobState.ENDING and job.job not in self._workers]
        faults = [item.faults[str(pool)] for item in there if str(pool) in item.faults]
        if executor in self._down:
            faults.append(self._down[executor])
        fault = max(faults, key=lambda item: item.at, default=None)
        return Staffing(
            executor=executor,
            hosts=tuple(sorted({item.host for item in there})),
            jobs=len(jobs),
            since=min((job.since for job in jobs), default=None),
            fault=None if fault is None else fault.message[-MAX_MESSAGE:],
            fault_at=None if fault is None else fault.at,
        )

    def jobs(self, owner: str, pool: int) -> list[tuple[Job, str | None, str]]:
        """The jobs of a pool, each with its worker once that has come, and the host of its provisioner."""
        return [
            (job, self._workers.get(job.job), item.host)
            for item in self._present.values()
            if item.owner == owner
            for job in item.jobs
            if job.pool == str(pool)
        ]

    def _ring(self, executors: Iterable[str], owner: str) -> None:
        self._shared.bell.ring(("provisioner", owner, executor) for executor in executors)


def _reachable(workers: Sequence[WorkerFacts]) -> list[WorkerFacts]:
    return [worker for worker in workers if worker.silent_since is None]


def _check(report: Report) -> None:
    """Refuse what cannot be stored or shown."""
    if len(report.jobs) > MAX_ITEMS or len(report.ended) > MAX_ITEMS or len(report.faults) > MAX_ITEMS:
        raise WireError(f"more than {MAX_ITEMS} jobs or faults at once")
    if report.executor in registry.OWN:
        raise WireError(f"this server starts the workers of {report.executor!r} itself", path="executor")
    if not report.executor.strip():
        raise WireError("expected an executor's short name", path="executor")
    texts = [("provisioner", report.provisioner), ("executor", report.executor), ("host", report.host)]
    texts += [("jobs", text) for job in report.jobs for text in (job.job, job.pool, job.place)]
    texts += [("ended", text) for text in report.ended]
    for path, text in texts:
        check_text(text, path)
