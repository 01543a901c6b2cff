"""Pools as people look at them: put together from the database, from who reports here, and from provisioners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from covalent.wire.pools import JobRecord, PoolList, PoolRecord, WorkerRecord
from covalent_server.db import identity
from covalent_server.db import provisioning as rows

if TYPE_CHECKING:
    from covalent_server.db import Session
    from covalent_server.db.identity import PoolRow
    from covalent_server.engine.engine import Engine

#: Of a job's digest so much is its name where it is started.
_NAME: Final = 16


async def listing(engine: Engine, owner: str) -> PoolList:
    """The pools of an account in which something waits, works, or goes wrong."""
    pools, waiting, staff = await engine.shared.read(lambda session: _stored(session, owner))
    silent = {
        worker.worker: worker.silent_since for workers in engine.workplace.workers().values() for worker in workers
    }
    found = (_record(engine, pool, waiting.get(pool.id, 0), staff.get(pool.id, []), silent) for pool in pools)
    return PoolList(pools=tuple(item for item in found if item.waiting or item.workers or item.jobs))


def _stored(session: Session, owner: str) -> tuple[list[PoolRow], dict[int, int], dict[int, list[rows.StaffRow]]]:
    pools = [pool for pool in identity.pools(session) if pool.owner == owner]
    ready = {pool.id for pool in identity.ready_pools(session)}
    waiting = rows.waiting(session, [pool.id for pool in pools if pool.id in ready])
    return pools, waiting, rows.staff(session)


def _record(
    engine: Engine, pool: PoolRow, waiting: int, staff: list[rows.StaffRow], silent: dict[str, float | None]
) -> PoolRecord:
    staffing = engine.provisioners.staffing(pool.owner, pool.executor, pool.id)
    return PoolRecord(
        pool=str(pool.id),
        executor=pool.executor,
        place=pool.place,
        waiting=waiting,
        workers=tuple(
            WorkerRecord(
                worker=row.worker,
                host=row.host,
                pid=row.pid,
                started_at=row.started_at,
                tasks=len(engine.shared.ledger.of_worker(row.worker)),
                silent_since=silent[row.worker],
            )
            for row in staff
            if row.worker in silent
        ),
        jobs=tuple(
            JobRecord(job=job.job[:_NAME], state=job.state, since=job.since, place=job.place, host=host, worker=worker)
            for job, worker, host in engine.provisioners.jobs(pool.owner, pool.id)
        ),
        provisioners=() if staffing is None else staffing.hosts,
        error=None if staffing is None else staffing.fault,
        error_at=None if staffing is None else staffing.fault_at,
    )
