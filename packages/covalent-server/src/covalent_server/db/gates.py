"""Limits as nodes meet them: which they fall under, and how many more may be out.

How many are out is counted from their states, in the transaction that lets further ones out: whatever happens to
workers and servers, no count can be wrong.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterable

from sqlalchemy import Connection, bindparam, func, insert, select

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
_OUT = Prepared(select(node.c.gate, func.count()).where(IS_LEASED, node.c.gate > 0).group_by(node.c.gate))
_OWNERS = Prepared(select(gate.c.owner).where(Within(gate.c.key, "gates")).distinct())
_waiting = select(node.c.key).where(node.c.pool == pool.c.id, Within(node.c.gate, "gates"), IS_READY)
_POOLS = Prepared(select(pool.c.id).where(pool.c.owner == bindparam("owner"), _waiting.exists()))


@functools.lru_cache(maxsize=1024)
def _read(text: str) -> Members:
    return frozenset((kind, name) for kind, name in json.loads(text))


def members(connection: Connection, owner: str) -> dict[int, Members]:
    """Every gate of an owner, with the limits that it names, whether they are in force or not."""
    return {key: _read(text) for key, text in _GATES.one(connection, {"owner": owner})}


def room(connection: Connection, owner: str) -> Room:
    """What an owner's limits leave."""
    limits = _LIMITS.one(connection, {"owner": owner}).all()
    keys = {(row.kind, row.name): row.key for row in limits}
    left = {row.key: row.slots for row in limits}
    through = {
        number: tuple(keys[member] for member in found if member in keys)
        for number, found in members(connection, owner).items()
    }
    for number, out in _OUT.one(connection, {}):
        for limit in through.get(number, ()):
            left[limit] -= out
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
    text = json.dumps(sorted(under), ensure_ascii=False)
    known = select(gate.c.key).where(gate.c.owner == owner, gate.c.members == text)
    found = connection.execute(known).scalar()
    if found is None:
        found = connection.execute(insert(gate).values(owner=owner, members=text).returning(gate.c.key)).scalar_one()
    return int(found)


def pools_behind(connection: Connection, freed: Collection[int]) -> set[int]:
    """The pools with nodes that wait for a limit of one of these gates, under which there may be room now."""
    pools: set[int] = set()
    for owner in _OWNERS.one(connection, {"gates": many(connection, freed)}).scalars():
        named = members(connection, owner)
        limits = {member for number in freed for member in named.get(number, ())}
        pools |= pools_waiting(connection, owner, [number for number, found in named.items() if found & limits])
    return pools


def pools_waiting(connection: Connection, owner: str, numbers: Collection[int]) -> set[int]:
    """The pools of an owner with ready nodes behind these gates."""
    return set(_POOLS.one(connection, {"owner": owner, "gates": many(connection, numbers)}).scalars())
