"""What has happened: events of an owner's dispatches, in the order of commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from covalent.wire.records import Event, EventList
from covalent_server.db.purging import trimmed
from covalent_server.db.tables import dispatch, event, node

#: Not by its index: SQLite would begin with all dispatches of the owner instead of the few events after the cursor.
_owner = func.coalesce(dispatch.c.owner, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events."""

    #: Only those of these dispatches, by id; None for all.
    dispatches: Sequence[str] | None = None
    #: True tells of all dispatches what concerns them as a whole, and of ``dispatches`` what concerns single nodes.
    whole: bool = False
    #: Only those of the node with this number.
    node: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What has happened since a cursor."""

    events: tuple[Event, ...]
    #: Where to go on.
    cursor: int
    #: Whether events are missing: the cursor is unknown, too old, or too far behind.
    resync: bool = False


def latest(connection: Connection) -> int:
    """The number of the latest event of all."""
    return int(connection.execute(select(func.max(event.c.sequence))).scalar() or 0)


def events(connection: Connection, owner: str, after: int, limit: int, wanted: Wanted | None = None) -> EventList:
    """Events of the owner's dispatches after a cursor, in the order of commits.

    The cursor is too old when events after it went with dispatches that were purged.
    """
    resync = after < trimmed(connection, owner)
    statement = (
        select(event, dispatch.c.id.label("dispatch_id"), node.c.number)
        .join(dispatch, dispatch.c.key == event.c.dispatch)
        .outerjoin(node, node.c.key == event.c.node)
        .where(event.c.sequence > after, _owner == owner)
        .where(dispatch.c.complete == 1, dispatch.c.observes.is_(None))
        .order_by(event.c.sequence)
        .limit(limit)
    )
    rows = connection.execute(statement if wanted is None else _narrowed(statement, wanted))
    return EventList(
        events=tuple(
            Event(
                sequence=row.sequence,
                at=row.at,
                kind=row.kind,
                dispatch_id=row.dispatch_id,
                node_id=row.number,
                attempt=row.attempt,
                detail=row.detail,
            )
            for row in rows
        ),
        resync=resync,
    )


def _narrowed(statement: Select[Any], wanted: Wanted) -> Select[Any]:
    if wanted.dispatches is not None or wanted.whole:
        named = dispatch.c.id.in_(wanted.dispatches or ())
        statement = statement.where(or_(event.c.node.is_(None), named) if wanted.whole else named)
    if wanted.node is not None:
        statement = statement.where(node.c.number == wanted.node)
    return statement


def news(connection: Connection, owner: str, after: int, limit: int, wanted: Wanted, *, behind: int) -> News:
    """What has happened since a cursor; who is more than ``behind`` events late is told that, and no more."""
    head = latest(connection)
    if after > head or head - after > behind:
        return News(events=(), cursor=head, resync=True)
    found = events(connection, owner, after, limit, wanted)
    if found.resync:
        return News(events=(), cursor=head, resync=True)
    whole = len(found.events) < limit
    return News(events=found.events, cursor=head if whole else found.events[-1].sequence)
