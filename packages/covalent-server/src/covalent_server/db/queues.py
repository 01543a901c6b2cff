"""How much waits and runs in each pool."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from covalent_server.db.tables import IS_LEASED, IS_READY, node, pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """A pool's queue."""

    id: int
    executor: str
    #: Tasks that wait for a worker, and those that one has.
    ready: int
    leased: int


def depths(connection: Connection) -> list[Depth]:
    """The queues of all pools; only tasks that wait or run are looked at."""
    ready, leased = (
        dict(
            tuple(row)
            for row in connection.execute(select(node.c.pool, func.count()).where(which).group_by(node.c.pool))
        )
        for which in (IS_READY, IS_LEASED)
    )
    return [
        Depth(id=row.id, executor=row.executor, ready=ready.get(row.id, 0), leased=leased.get(row.id, 0))
        for row in connection.execute(select(pool.c.id, pool.c.executor).order_by(pool.c.id))
    ]
