"""Which executors have provisioners, how much waits in pools, and who works there."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from covalent_server.db.dialect import insert_ignore
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import IS_READY, node, setting, worker

#: A fact of the installation is that an account has had a provisioner of an executor: that is the fact's name.
_PREFIX: Final = "provisioner:"
_ADD: Final = Prepared(insert_ignore(setting, "name", "value"))
#: Tasks of a pool that are counted at most.
_MOST: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffRow:
    """A worker as it introduced itself, and when."""

    worker: str
    host: str
    pid: int
    started_at: float


def announce(connection: Connection, owner: str, executor: str) -> None:
    """Note that an account has a provisioner for an executor."""
    _ADD.one(connection, {"name": f"{_PREFIX}{json.dumps([owner, executor])}", "value": ""})


def announced(connection: Connection) -> list[tuple[str, str]]:
    """The accounts and executors that have had a provisioner."""
    names = connection.execute(select(setting.c.name).where(setting.c.name.startswith(_PREFIX, autoescape=True)))
    return [_told(str(name)) for name in names.scalars()]


def waiting(connection: Connection, pools: Collection[int]) -> dict[int, int]:
    """How many tasks could begin in each of these pools; a thousand stands for more."""
    counts = {}
    for pool in pools:
        some = select(node.c.key).where(node.c.pool == pool, IS_READY).limit(_MOST).subquery()
        counts[pool] = int(connection.execute(select(func.count()).select_from(some)).scalar_one())
    return counts


def staff(connection: Connection) -> dict[int, list[StaffRow]]:
    """The workers that have introduced themselves and not gone, by pool."""
    found: dict[int, list[StaffRow]] = {}
    statement = select(worker).where(worker.c.ended_at.is_(None)).order_by(worker.c.started_at)
    for row in connection.execute(statement):
        known = StaffRow(worker=row.id, host=row.host, pid=row.pid, started_at=row.started_at)
        found.setdefault(row.pool, []).append(known)
    return found


def _told(name: str) -> tuple[str, str]:
    owner, executor = json.loads(name.removeprefix(_PREFIX))
    return owner, executor
