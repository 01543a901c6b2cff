"""Limits as users set them: set, lowered, raised, taken away, shown, and found to be full or shut."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from covalent.wire.limits import Limit, LimitKind, LimitName, LimitRecord
from covalent_server.core.errors import UnknownLimitError
from covalent_server.core.states import NodeState
from covalent_server.core.waiting import NAMED, FullLimit
from covalent_server.db import AnyRow, gates, identity
from covalent_server.db.dialect import Within, many
from covalent_server.db.identity import PoolRow
from covalent_server.db.moves import Effects
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import IS_LEASED, IS_READY, concurrency_limit, dispatch, node, pool

_OPEN = [state for state in NodeState if not state.terminal]
_PASS = Prepared(update(node).where(Within(node.c.key, "keys")).values(gate=bindparam("b_gate")))
_HOLDERS = Prepared(
    select(dispatch.c.id, node.c.number)
    .join(dispatch, dispatch.c.key == node.c.dispatch)
    .where(IS_LEASED, Within(node.c.gate, "gates"))
    .order_by(node.c.key)
    .limit(NAMED)
)
_SHUT = Prepared(
    select(concurrency_limit.c.owner, concurrency_limit.c.kind, concurrency_limit.c.name).where(
        concurrency_limit.c.slots == 0
    )
)
_FREE = Prepared(select(node.c.key).where(node.c.pool == bindparam("pool"), IS_READY, node.c.gate == 0).limit(1))


def put(connection: Connection, owner: str, limit: Limit) -> Effects:
    """Set a limit, for all tasks that have not ended; the effects wake those who may have more now."""
    changed = connection.execute(
        update(concurrency_limit).where(*_is(owner, limit.kind, limit.name)).values(slots=limit.slots)
    )
    if not changed.rowcount:
        values = {"owner": owner, "kind": limit.kind, "name": limit.name, "slots": limit.slots}
        connection.execute(insert(concurrency_limit).values(values))
        _bring_under(connection, owner, (limit.kind, limit.name))
    return _woken(connection, owner, (limit.kind, limit.name))


def remove(connection: Connection, owner: str, which: LimitName) -> Effects:
    """Take a limit away; what waited for it waits no more. Raises UnknownLimitError when there is none."""
    gone = connection.execute(delete(concurrency_limit).where(*_is(owner, which.kind, which.name)))
    if not gone.rowcount:
        raise UnknownLimitError(which.kind, which.name)
    # Nodes keep their gates: what a gate names and is no limit any more holds nobody back.
    return _woken(connection, owner, (which.kind, which.name))


def records(connection: Connection, owner: str) -> tuple[LimitRecord, ...]:
    """The limits of an owner, and how many nodes are out under each."""
    out = gates.out(connection, owner)
    return tuple(
        LimitRecord(kind=LimitKind(row.kind), name=row.name, slots=row.slots, held=out.get((row.kind, row.name), 0))
        for row in _limits(connection, owner)
    )


def full(connection: Connection, owner: str) -> dict[int, FullLimit]:
    """Of each gate that lets nobody through the limit that is full, with some of those that hold it."""
    out = gates.out(connection, owner)
    named = gates.members(connection, owner)
    found: dict[int, FullLimit] = {}
    for row in _limits(connection, owner):
        member = (row.kind, row.name)
        if out.get(member, 0) < row.slots:
            continue
        behind = [number for number, members in named.items() if member in members]
        holders = _HOLDERS.one(connection, {"gates": many(connection, behind)}).all()
        limit = FullLimit(
            kind=LimitKind(row.kind),
            name=row.name,
            slots=row.slots,
            held=out.get(member, 0),
            holders=tuple((item.id, item.number) for item in holders),
        )
        for number in behind:
            found.setdefault(number, limit)
    return found


def ready_pools(connection: Connection) -> tuple[list[PoolRow], set[int]]:
    """Pools in which a node waits for a worker, and the ids of those where all such nodes wait for limits of no slots.

    A limit that is merely full is another matter: who is not there when a place falls free does not get it.
    """
    pools = identity.ready_pools(connection)
    closed: defaultdict[str, set[gates.Member]] = defaultdict(set)
    for row in _SHUT.one(connection, {}):
        closed[row.owner].add((row.kind, row.name))
    shut = {item.id for item in pools if item.owner in closed and _is_shut(connection, item, closed[item.owner])}
    return pools, shut


def _is_shut(connection: Connection, item: PoolRow, closed: Collection[gates.Member]) -> bool:
    if _FREE.one(connection, {"pool": item.id}).all():
        return False
    named = gates.some_members(connection, item.owner, gates.waiting(connection, item.id))
    return all(not members.isdisjoint(closed) for members in named.values())


def _limits(connection: Connection, owner: str) -> list[AnyRow]:
    statement = select(concurrency_limit).where(concurrency_limit.c.owner == owner)
    return list(connection.execute(statement.order_by(concurrency_limit.c.kind, concurrency_limit.c.name)))


def _is(owner: str, kind: str, name: str) -> tuple[ColumnElement[bool], ...]:
    table = concurrency_limit
    return table.c.owner == owner, table.c.kind == kind, table.c.name == name


def _woken(connection: Connection, owner: str, member: gates.Member) -> Effects:
    behind = [number for number, members in gates.members(connection, owner).items() if member in members]
    return Effects(pools=gates.pools_waiting(connection, owner, behind))


def _bring_under(connection: Connection, owner: str, member: gates.Member) -> None:
    """Let a new limit count for the nodes that have not ended; for those that are out, too: they hold it."""
    kind, name = member
    statement = (
        select(node.c.key, node.c.gate, node.c.record)
        .join(dispatch, dispatch.c.key == node.c.dispatch)
        .where(dispatch.c.owner == owner, dispatch.c.ended_at.is_(None), dispatch.c.observes.is_(None))
        .where(node.c.state.in_(_OPEN))
    )
    if kind == LimitKind.EXECUTOR:
        statement = statement.join(pool, pool.c.id == node.c.pool).where(pool.c.executor == name)
    else:
        quoted = json.dumps(name, ensure_ascii=False)
        statement = statement.where(node.c.record.contains(quoted, autoescape=True))
    concerned: defaultdict[int, list[int]] = defaultdict(list)
    for row in connection.execute(statement):
        if kind == LimitKind.EXECUTOR or name in (json.loads(row.record).get("metadata", {}).get("tags") or ()):
            concerned[row.gate].append(row.key)
    named = gates.members(connection, owner)
    for number, keys in concerned.items():
        further = gates.numbered(connection, owner, named.get(number, frozenset()) | {member})
        _PASS.one(connection, {"keys": many(connection, keys), "b_gate": further})
