"""Limits as nodes meet them: which they fall under, and how many more may be out.

How many are out is counted from their states, in the transaction that lets further ones out: whatever happens to
workers and servers, no count can be wrong. Gates are kept for good, so who looks for tasks asks for those alone that
some node is behind, one step into the index for each.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterable

from sqlalchemy import Connection, bindparam, func, insert, select, text

from covalent.wire.limits import LimitKind
from covalent_server.core.turns import Room
from covalent_server.db.dialect import Within, many
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import IS_LEASED, IS_READY, concurrency_limit, gate, node, pool

#: A limit's kind and name.
Member = tuple[str, str]
Members = frozenset[Member]

#: Where several servers share a database, one at a time reckons with an owner's limits until it has committed.
_LIMITS = Prepared(
    select(concurrency_limit.c.key, concurrency_limit.c.kind, concurrency_limit.c.name, concurrency_limit.c.slots)
    .where(concurrency_limit.c.owner == bindparam("owner"))
    .order_by(concurrency_limit.c.key)
    .with_for_update()
)
_GATES = Prepared(select(gate.c.key, gate.c.members).where(gate.c.owner == bindparam("owner")))
#: Whose they are is compared here: asked for an owner's gates, SQLite would go through all of them.
_SOME = Prepared(select(gate.c.key, gate.c.owner, gate.c.members).where(Within(gate.c.key, "gates")))
_OUT = Prepared(select(node.c.gate, func.count()).where(IS_LEASED, node.c.gate > 0).group_by(node.c.gate))
_OWNERS = Prepared(select(gate.c.owner).where(Within(gate.c.key, "gates")).distinct())
_waiting = select(node.c.key).where(node.c.pool == pool.c.id, Within(node.c.gate, "gates"), IS_READY)
_POOLS = Prepared(select(pool.c.id).where(pool.c.owner == bindparam("owner"), _waiting.exists()))


def _with_ready(pools: str) -> Prepared:
    """The gates behind which some pools have ready nodes, each one of them by one look into the index."""
    return Prepared(
        text(
            "WITH RECURSIVE behind (pool, gate) AS ("  # noqa: S608 - the condition is one of ours
            f" SELECT pool.id, CAST(0 AS bigint) FROM pool WHERE {pools}"
            " UNION ALL"
            " SELECT behind.pool, (SELECT node.gate FROM node WHERE node.pool = behind.pool"
            " AND node.state = 'READY' AND node.gate > behind.gate ORDER BY node.gate LIMIT 1)"
            " FROM behind WHERE behind.gate IS NOT NULL"
            ") SELECT pool, gate FROM behind WHERE gate > 0 ORDER BY pool, gate"
        )
    )


_OF_POOL = _with_ready("pool.id = :pool")
_OF_OWNER = _with_ready("pool.owner = :owner")


@functools.lru_cache(maxsize=1024)
def _read(told: str) -> Members:
    return frozenset((kind, name) for kind, name in json.loads(told))


def members(connection: Connection, owner: str) -> dict[int, Members]:
    """Every gate of an owner, with the limits that it names, whether they are in force or not."""
    return {key: _read(told) for key, told in _GATES.one(connection, {"owner": owner})}


def some_members(connection: Connection, owner: str, numbers: Collection[int]) -> dict[int, Members]:
    """Those of some gates that are an owner's, with the limits that they name."""
    rows = _SOME.one(connection, {"gates": many(connection, numbers)})
    return {row.key: _read(row.members) for row in rows if row.owner == owner}


def waiting(connection: Connection, number: int) -> list[int]:
    """The gates behind which a pool has ready nodes."""
    return [row.gate for row in _OF_POOL.one(connection, {"pool": number})]


def room(connection: Connection, owner: str, numbers: Collection[int]) -> Room:
    """What an owner's limits leave to the nodes behind some gates."""
    limits = _LIMITS.one(connection, {"owner": owner}).all()
    keys = {(row.kind, row.name): row.key for row in limits}
    left = {row.key: row.slots for row in limits}
    counted: dict[int, int] = dict(_OUT.one(connection, {}).all())
    through = {
        number: tuple(keys[member] for member in found if member in keys)
        for number, found in some_members(connection, owner, counted.keys() | set(numbers)).items()
    }
    for number, limits_of in through.items():
        for limit in limits_of:
            left[limit] -= counted.get(number, 0)
    return Room(gates=through, left=left)


def out(connection: Connection, owner: str) -> dict[Member, int]:
    """How many nodes are out under each limit that an owner's gates name."""
    named = members(connection, owner)
    counted: dict[Member, int] = {}
    for number, count in _OUT.one(connection, {}):
        for member in named.get(number, ()):
            counted[member] = counted.get(member, 0) + count
    return counted


def of_nodes(
    connection: Connection, owner: str, nodes: Iterable[tuple[str, tuple[str, ...]]]
) -> dict[tuple[str, tuple[str, ...]], int]:
    """The gates of nodes, told by their executors and tags; of none that stands under no limit."""
    limits = {(row.kind, row.name) for row in _LIMITS.one(connection, {"owner": owner})}
    found: dict[tuple[str, tuple[str, ...]], int] = {}
    if limits:
        for executor, tags in nodes:
            under = limits & {(LimitKind.EXECUTOR, executor), *((LimitKind.TAG, tag) for tag in tags)}
            if under:
                found[executor, tags] = numbered(connection, owner, frozenset(under))
    return found


def numbered(connection: Connection, owner: str, under: Members) -> int:
    """The key of the gate with these limits, made when it is new."""
    named = json.dumps(sorted(under), ensure_ascii=False)
    known = select(gate.c.key).where(gate.c.owner == owner, gate.c.members == named)
    found = connection.execute(known).scalar()
    if found is None:
        found = connection.execute(insert(gate).values(owner=owner, members=named).returning(gate.c.key)).scalar_one()
    return int(found)


def pools_behind(connection: Connection, freed: Collection[int]) -> set[int]:
    """The pools with nodes that wait for a limit of one of these gates, under which there may be room now."""
    pools: set[int] = set()
    for owner in _OWNERS.one(connection, {"gates": many(connection, freed)}).scalars():
        behind = [(row.pool, row.gate) for row in _OF_OWNER.one(connection, {"owner": owner})]
        named = some_members(connection, owner, {number for _, number in behind}.union(freed))
        limits = {member for number in freed for member in named.get(number, ())}
        pools.update(place for place, number in behind if named[number] & limits)
    return pools


def pools_waiting(connection: Connection, owner: str, numbers: Collection[int]) -> set[int]:
    """The pools of an owner with ready nodes behind these gates."""
    return set(_POOLS.one(connection, {"owner": owner, "gates": many(connection, numbers)}).scalars())
