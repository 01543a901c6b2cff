"""Graphs as the web page draws them: the shape, which never changes, and where the nodes stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import Connection, bindparam, func, select

from covalent.wire.overview import Columns, States, Timeline
from covalent_server.core.shapes import LETTERS, Drawn, Shape, shape
from covalent_server.db import AnyRow
from covalent_server.db.happened import latest
from covalent_server.db.prepared import Prepared
from covalent_server.db.reads import dispatch_row
from covalent_server.db.tables import link, node, pool

_STATES = Prepared(select(node.c.state).where(node.c.dispatch == bindparam("key")).order_by(node.c.position))
_TIMES = Prepared(
    select(node.c.started_at, node.c.ended_at).where(node.c.dispatch == bindparam("key")).order_by(node.c.position)
)
_DRAWN = Prepared(
    select(node.c.number, node.c.record, pool.c.executor)
    .join(pool, pool.c.id == node.c.pool)
    .where(node.c.dispatch == bindparam("key"))
    .order_by(node.c.position)
)
_KEYS = Prepared(
    select(func.min(node.c.key).label("first"), func.max(node.c.key).label("last")).where(
        node.c.dispatch == bindparam("key")
    )
)
#: The nodes of a dispatch have keys one after the other, in the order of their positions.
_PAIRS = Prepared(
    select(link.c.parent - bindparam("first"), link.c.child - bindparam("first")).where(
        link.c.parent >= bindparam("first"), link.c.parent <= bindparam("last")
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """As much of a node's JSON as is drawn."""

    name: str
    kind: str = "task"


_NODES: Final = msgspec.json.Decoder(_Node)


def columns(connection: Connection, owner: str, dispatch_id: str, known: Shape | None) -> tuple[Shape, Columns]:
    """A graph as it stands, with its shape, for another time."""
    key = dispatch_row(connection, owner, dispatch_id).key
    found = _shape(connection, key) if known is None else known
    drawn = Columns(
        dispatch_id=dispatch_id,
        sequence=latest(connection),
        count=len(found.ids),
        states=_letters(connection, key),
        **{name: getattr(found, name) for name in Shape.__slots__},
    )
    return found, drawn


def states(connection: Connection, owner: str, dispatch_id: str) -> States:
    """Where the nodes of a graph stand."""
    key = dispatch_row(connection, owner, dispatch_id).key
    return States(dispatch_id=dispatch_id, sequence=latest(connection), states=_letters(connection, key))


def timeline(connection: Connection, owner: str, dispatch_id: str) -> Timeline:
    """When the nodes of a graph began and ended."""
    row = dispatch_row(connection, owner, dispatch_id)
    times = _TIMES.one(connection, {"key": row.key}).all()
    return Timeline(
        dispatch_id=dispatch_id,
        sequence=latest(connection),
        origin=row.created_at,
        started=tuple([_since(row, item.started_at) for item in times]),
        ended=tuple([_since(row, item.ended_at) for item in times]),
    )


def _since(row: AnyRow, moment: float | None) -> int | None:
    return None if moment is None else round((moment - row.created_at) * 1000)


def _letters(connection: Connection, key: int) -> str:
    return "".join([LETTERS[state] for state in _STATES.one(connection, {"key": key}).scalars()])


def _shape(connection: Connection, key: int) -> Shape:
    nodes = []
    for number, record, executor in _DRAWN.one(connection, {"key": key}):
        plain = _NODES.decode(record)
        nodes.append(Drawn(number=number, name=plain.name, kind=plain.kind, executor=executor))
    keys = _KEYS.one(connection, {"key": key}).one()
    if keys.first is None:
        return shape((), ())
    pairs = _PAIRS.one(connection, {"first": keys.first, "last": keys.last})
    return shape(nodes, [(parent, child) for parent, child in pairs])
