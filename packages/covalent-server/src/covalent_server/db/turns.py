"""Which of a pool's ready nodes are next: some of each dispatch are looked at, and ``core`` deals them out.

However many nodes wait, one look into the index finds a dispatch that has some, and one more the next dispatch. Nodes
that limits hold back stand apart in it, so that nobody walks past them.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Select, TextClause, bindparam, select, text

from covalent_server.core.turns import Line, Room, Turn, deal
from covalent_server.db import AnyRow, gates
from covalent_server.db.dialect import POSTGRESQL, Within, many
from covalent_server.db.moves import STATE
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import IS_READY, dispatch, node

#: What a lease is made of.
TASK: Final = (
    *STATE,
    node.c.number,
    node.c.record,
    dispatch.c.id.label("dispatch_id"),
    dispatch.c.root_id,
    dispatch.c.project,
    dispatch.c.requires,
    dispatch.c.env,
)
#: Lines that are looked at for a worker that lacks features: most of them may be of no use to it.
_MANY: Final = 10_000

_last = node.alias("last")
_READY_LAST: Final = text(
    "last.key = (SELECT key FROM node AS final WHERE final.pool = :pool AND final.state = 'READY'"
    " ORDER BY final.gate DESC, final.rank DESC, final.root DESC, final.key DESC LIMIT 1)"
)
_FURTHEST = Prepared(
    text(
        "SELECT gate FROM node WHERE node.pool = :pool AND node.state = 'READY'"
        " ORDER BY node.gate DESC, node.rank DESC, node.root DESC, node.key DESC LIMIT 1"
    )
)
#: The first node of each line behind one gate: those after a turn, and in step with them those from the beginning.
_HEADS = Prepared(
    text("""
WITH RECURSIVE head (key, rank, root) AS (
    SELECT key, rank, root FROM (
        SELECT key, rank, root FROM node
        WHERE pool = :pool AND state = 'READY' AND gate = :gate AND (rank, root) >= (:rank, :root)
        ORDER BY rank, root, key LIMIT 1
    ) AS following
    UNION
    SELECT key, rank, root FROM (
        SELECT key, rank, root FROM node
        WHERE pool = :pool AND state = 'READY' AND gate = :gate
        ORDER BY rank, root, key LIMIT 1
    ) AS foremost
    UNION
    SELECT node.key, node.rank, node.root FROM head JOIN node ON node.key = coalesce(
        (
            SELECT other.key FROM node AS other
            WHERE other.pool = :pool AND other.state = 'READY' AND other.gate = :gate
            AND other.rank = head.rank AND other.root > head.root
            ORDER BY other.root, other.key LIMIT 1
        ),
        (
            SELECT other.key FROM node AS other
            WHERE other.pool = :pool AND other.state = 'READY' AND other.gate = :gate AND other.rank > head.rank
            ORDER BY other.rank, other.root, other.key LIMIT 1
        )
    )
)
SELECT key FROM head LIMIT :most
""")
)
_CHOSEN = Prepared(select(*TASK).join(dispatch, dispatch.c.key == node.c.dispatch).where(Within(node.c.key, "keys")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a worker asks for."""

    owner: str
    pool: int
    want: int
    #: Features of this server that the worker does not have.
    lacks: frozenset[str] = frozenset()
    #: Whose turn was last in the pool.
    after: Turn | None = None
    #: Whether it lets those go first who wait for limits in other pools.
    yields: bool = False


@functools.cache
def _ready(lacks: frozenset[str]) -> Prepared:
    """Nodes of a pool that no limit concerns, but for those that require what the worker lacks.

    They are of one line, and the only one, when the last of the pool's ready nodes is in line with the first.
    """
    sole = (_last.c.gate == 0) & (_last.c.rank == node.c.rank) & (_last.c.root == node.c.root)
    statement = (
        select(*TASK, sole.label("sole"))
        .join(dispatch, dispatch.c.key == node.c.dispatch)
        .join(_last, _READY_LAST)
        .where(node.c.pool == bindparam("pool"), node.c.gate == 0, IS_READY)
        .order_by(node.c.rank, node.c.root, node.c.key)
        .limit(bindparam("most"))
    )
    for feature in sorted(lacks):
        statement = statement.where(dispatch.c.requires.not_like(f'%"{feature}"%'))
    return Prepared(statement)


@functools.cache
def _lines(lacks: frozenset[str]) -> Prepared:
    """The beginnings of the lines with some heads: of each up to so many nodes, as a JSON list of keys."""
    return Prepared(lambda dialect: _lines_of(dialect, lacks))


def _lines_of(dialect: str, lacks: frozenset[str]) -> Select[tuple[int, ...]]:
    head = node.alias("head")
    return select(head.c.gate, head.c.rank, head.c.root, _members(dialect, lacks)).where(Within(head.c.key, "heads"))


def _members(dialect: str, lacks: frozenset[str]) -> TextClause:
    collected = "CAST(json_agg(key) AS text)" if dialect == POSTGRESQL else "json_group_array(key)"
    able = "".join(f" AND dispatch.requires NOT LIKE '%\"{feature}\"%'" for feature in sorted(lacks))
    joined = " JOIN dispatch ON dispatch.key = member.dispatch" if lacks else ""
    return text(
        f"(SELECT {collected} FROM (SELECT member.key FROM node AS member{joined}"  # noqa: S608 - of our own names
        " WHERE member.pool = head.pool AND member.state = 'READY' AND member.gate = head.gate"
        f" AND member.rank = head.rank AND member.root = head.root{able}"
        " ORDER BY member.key LIMIT :most) AS members) AS nodes"
    )


def following(connection: Connection, wanted: Wanted) -> tuple[Sequence[AnyRow], Turn | None]:
    """The nodes of a pool that a worker may be given, in the order in which their turns come; and the last turn."""
    rows = _ready(wanted.lacks).one(connection, {"pool": wanted.pool, "most": wanted.want}).all()
    if rows and rows[0].sole:
        return rows, wanted.after
    furthest = _FURTHEST.one(connection, {"pool": wanted.pool}).scalar()
    if furthest is None:
        return [], wanted.after
    behind = gates.waiting(connection, wanted.pool) if furthest and not wanted.yields else []
    room = gates.room(connection, wanted.owner, behind) if behind else Room()
    heads = [key for gate in (0, *behind) for key in _heads(connection, wanted, gate, room.of(gate))]
    keys, turn = _dealt(connection, wanted, heads, room)
    found = {row.key: row for row in _CHOSEN.one(connection, {"keys": many(connection, keys)})} if keys else {}
    return [found[key] for key in keys], turn


def _heads(connection: Connection, wanted: Wanted, gate: int, room: int | None) -> Sequence[int]:
    """The first nodes of the lines behind a gate whose turns come next."""
    if room == 0:
        return []
    after = wanted.after
    rank, root = (0, 0) if after is None else (after.rank, after.root)
    # Twice as many as there may be turns: half of them are found from the beginning on, where turns go on at the end.
    most = _MANY if wanted.lacks else 2 * wanted.want + 2
    where = {"pool": wanted.pool, "gate": gate, "rank": rank, "root": root, "most": most}
    return _HEADS.one(connection, where).scalars()


def _dealt(connection: Connection, wanted: Wanted, heads: Sequence[int], room: Room) -> tuple[list[int], Turn | None]:
    """Deal; where some dispatches have less than their share, and others more, once more with more of each."""
    if not heads:
        return [], wanted.after
    most = -(-wanted.want // len(heads))
    while True:
        rows = _lines(wanted.lacks).one(connection, {"heads": many(connection, heads), "most": most})
        lines = [Line(root=row.root, rank=row.rank, gate=row.gate, nodes=json.loads(row.nodes or "[]")) for row in rows]
        keys, turn = deal(lines, wanted.want, wanted.after, room)
        cut = any(len(line.nodes) == most for line in lines)
        even = len({line.rank for line in lines}) == 1
        if most >= wanted.want or not cut or (even and len(keys) == wanted.want):
            return keys, turn
        most = wanted.want
