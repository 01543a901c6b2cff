"""Facts about the installation, its tokens and its workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, Connection, Select, delete, or_, select, update

from covalent_server.db import AnyRow
from covalent_server.db.dialect import Within, insert_ignore, many
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import IS_LEASED, IS_READY, node, pool, session, setting, token, worker


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A token that is in force."""

    digest: str
    owner: str
    scope: str
    #: The pool that it is for, by its name, and what people know it by.
    pool: str | None = None
    name: str = ""
    created_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRow:
    """Where a set of tasks can run."""

    id: int
    owner: str
    executor: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """A worker that has not said goodbye."""

    id: str
    pool: int
    host: str
    pid: int
    features: tuple[str, ...]
    #: The digest of the token that it reports with.
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLease:
    """A lease as the database knows it."""

    node: int
    attempt: int
    worker: str


#: Facts of one server alone: what its workers know it by, and the key of its fencing tokens.
INSTANCE: Final = "instance"
FENCING_KEY: Final = "fencing_key"

_ADD_FACT = Prepared(insert_ignore(setting, "name", "value"))
_ADD_TOKEN = Prepared(insert_ignore(token, "digest", "owner", "scope", "created_at", "pool", "name"))
_ADD_WORKER = Prepared(insert_ignore(worker, "id", "pool", "host", "pid", "features", "started_at", "token"))


#: Rows that one transaction forgets.
_FORGOTTEN: Final = 500
_OPEN = Prepared(select(node.c.key, node.c.fenced).where(Within(node.c.key, "keys"), or_(IS_READY, IS_LEASED)))


def fact(connection: Connection, name: str, default: str) -> str:
    """A fact about the installation, settled by the first who asks."""
    _ADD_FACT.one(connection, {"name": name, "value": default})
    return str(connection.execute(select(setting.c.value).where(setting.c.name == name)).scalar_one())


def disown(connection: Connection, now: float) -> None:
    """Make a copy of a database another server's: it settles facts of its own, and knows no worker of the other."""
    connection.execute(delete(setting).where(setting.c.name.in_((INSTANCE, FENCING_KEY))))
    connection.execute(
        update(token).where(token.c.scope == "worker", token.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    connection.execute(delete(session))
    connection.execute(update(worker).where(worker.c.ended_at.is_(None)).values(ended_at=now))


def token_digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def tokens(connection: Connection) -> list[TokenRow]:
    """The tokens in force."""
    return [_token(row) for row in connection.execute(select(token).where(token.c.revoked_at.is_(None)))]


def pool_tokens(connection: Connection, owner: str) -> list[TokenRow]:
    """An owner's tokens in force that are for a pool, oldest first."""
    rows = connection.execute(
        select(token)
        .where(token.c.owner == owner, token.c.pool.is_not(None), token.c.revoked_at.is_(None))
        .order_by(token.c.created_at, token.c.digest)
    )
    return [_token(row) for row in rows]


def _token(row: AnyRow) -> TokenRow:
    return TokenRow(
        digest=row.digest, owner=row.owner, scope=row.scope, pool=row.pool, name=row.name, created_at=row.created_at
    )


def add_token(connection: Connection, row: TokenRow, now: float) -> None:
    """Put a token in force."""
    values = {"digest": row.digest, "owner": row.owner, "scope": row.scope, "created_at": now}
    _ADD_TOKEN.one(connection, values | {"pool": row.pool, "name": row.name})


def settle_account(connection: Connection, row: TokenRow, now: float) -> None:
    """Make a token the only one of its account and scope: what was replaced, or leaked, is worth nothing."""
    same = (token.c.owner == row.owner, token.c.scope == row.scope)
    connection.execute(
        update(token).where(*same, token.c.digest != row.digest, token.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    add_token(connection, row, now)
    connection.execute(update(token).where(token.c.digest == row.digest).values(revoked_at=None))


def revoke_token(connection: Connection, digest: str, now: float) -> None:
    """End a token."""
    connection.execute(update(token).where(token.c.digest == digest).values(revoked_at=now))


def pools(connection: Connection) -> list[PoolRow]:
    """All pools."""
    return [_pool(row) for row in connection.execute(select(pool))]


def ready_pools(connection: Connection) -> list[PoolRow]:
    """Pools in which a node waits for a worker."""
    # One look into the index for each pool, however many tasks wait in it.
    waiting = select(node.c.key).where(node.c.pool == pool.c.id, IS_READY)
    return [_pool(row) for row in connection.execute(select(pool).where(waiting.exists()))]


def example(connection: Connection, pool_id: int) -> dict[str, Any] | None:
    """What a task that waits in a pool says of its executor; None when none waits."""
    record = connection.execute(select(node.c.record).where(node.c.pool == pool_id, IS_READY).limit(1)).scalar()
    if record is None:
        return None
    data = json.loads(record).get("metadata", {}).get("executor_data")
    return data if isinstance(data, dict) else {}


def _pool(row: Any) -> PoolRow:
    return PoolRow(id=row.id, owner=row.owner, executor=row.executor, place=row.place)


def add_worker(connection: Connection, row: WorkerRow, now: float) -> None:
    """Note a worker that introduced itself."""
    values = {"id": row.id, "pool": row.pool, "host": row.host, "pid": row.pid, "started_at": now, "token": row.token}
    _ADD_WORKER.one(connection, values | {"features": json.dumps(list(row.features))})


def end_worker(connection: Connection, worker_id: str, now: float) -> None:
    """Note that a worker is gone."""
    connection.execute(update(worker).where(worker.c.id == worker_id, worker.c.ended_at.is_(None)).values(ended_at=now))


def workers(connection: Connection) -> list[WorkerRow]:
    """Workers that have not said goodbye."""
    rows = connection.execute(select(worker).where(worker.c.ended_at.is_(None)))
    return [
        WorkerRow(
            id=row.id,
            pool=row.pool,
            host=row.host,
            pid=row.pid,
            features=tuple(json.loads(row.features)),
            token=row.token,
        )
        for row in rows
    ]


def any_gone(connection: Connection, before: float) -> bool:
    """Whether there are workers, sessions or tokens that ended before a time and that nothing refers to."""
    return any(connection.execute(old.limit(1)).first() is not None for _, old in _gone(before))


def forget(connection: Connection, before: float) -> None:
    """Remove workers, sessions and tokens that ended before a time and that nothing refers to: some of them."""
    for key, old in _gone(before):
        connection.execute(delete(key.table).where(key.in_(old.limit(_FORGOTTEN))))


def _gone(before: float) -> tuple[tuple[Column[str], Select[Any]], ...]:
    """What is found by which column: no worker that still has a lease, and no token that a session was begun with."""
    held = select(node.c.worker).where(IS_LEASED, node.c.worker.is_not(None))
    return (
        (worker.c.id, select(worker.c.id).where(worker.c.ended_at < before, worker.c.id.not_in(held))),
        (session.c.digest, select(session.c.digest).where(session.c.expires_at < before)),
        (
            token.c.digest,
            select(token.c.digest).where(token.c.revoked_at < before, token.c.digest.not_in(select(session.c.token))),
        ),
    )


def held_leases(connection: Connection) -> list[HeldLease]:
    """Leases that some worker has."""
    rows = connection.execute(select(node.c.key, node.c.attempt, node.c.worker).where(IS_LEASED))
    return [HeldLease(node=row.key, attempt=row.attempt, worker=row.worker) for row in rows]


def may_finish(connection: Connection, nodes: Collection[int]) -> dict[int, int]:
    """Those of the nodes that have not ended, each with the latest attempt that is fenced off."""
    rows = _OPEN.one(connection, {"keys": many(connection, nodes)})
    return {row.key: row.fenced for row in rows}
