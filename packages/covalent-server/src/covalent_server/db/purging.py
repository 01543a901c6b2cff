"""Forgetting dispatches: first they are marked, and gone for everybody; then their rows go piece by piece.

The mark is ``complete = 0`` of a dispatch that has ended. It is committed before anything is removed, so that a purge
that was cut off is found by it and finished. With it goes a note that assets are to be swept, which outlives the rows:
whoever has swept them all takes back the note that was there when that began, and no later one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, or_, select, tuple_, update

from covalent_server.db.dialect import Within, many
from covalent_server.db.identity import fact
from covalent_server.db.purgeable import Family, named
from covalent_server.db.tables import dispatch, event, link, node, setting, stream, trigger

#: Rows that one transaction removes, so that others are not held up.
NODES: Final = 500
_EVENTS: Final = 2000
#: A piece of a stream may be large.
_STREAMS: Final = 100
#: The last of its kind is kept: numbers of events are not to be given out again.
_PURGED: Final = "dispatches.purged"
#: The fact that assets are to be swept, and for which purge.
_UNSWEPT: Final = "assets to be swept"


def mark(connection: Connection, families: Sequence[Family], ends: Mapping[int, str], now: float) -> list[Family]:
    """Make families invisible for good, but for those that something has come to need since they were found.

    ``ends`` are the ends of the slices that were looked at when the families were found, by their keys.
    """
    some = {"keys": many(connection, (key for family in families for key in family.members))}
    ended = select(dispatch.c.key, dispatch.c.id).where(
        Within(dispatch.c.key, "keys"), dispatch.c.complete == 1, dispatch.c.ended_at.is_not(None)
    )
    known = {row.key: row.id for row in connection.execute(ended, some)}
    active = select(trigger.c.dispatch).where(Within(trigger.c.dispatch, "keys"), trigger.c.stopped_at.is_(None))
    needed = set(connection.execute(active, some).scalars())
    unseen = select(dispatch.c.manifest).where(
        dispatch.c.key > _looked_at(connection, ends),
        dispatch.c.ended_at.is_(None),
        dispatch.c.owner.in_({family.owner for family in families}),
    )
    repeated = {dispatch_id for text in connection.execute(unseen).scalars() for dispatch_id in named(text)}
    marked = [
        family
        for family in families
        if family.members.items() <= known.items()
        and needed.isdisjoint(family.members)
        and repeated.isdisjoint(family.members.values())
    ]
    if marked:
        gone = {"keys": many(connection, (key for family in marked for key in family.members))}
        connection.execute(delete(trigger).where(Within(trigger.c.dispatch, "keys")), gone)
        connection.execute(update(trigger).where(Within(trigger.c.last, "keys")).values(last=None), gone)
        _note(connection, gone, now)
        # Its key is free for another request, which would otherwise be answered with what is not there any more.
        hide = update(dispatch).where(Within(dispatch.c.key, "keys")).values(complete=0, idempotency_key=None)
        connection.execute(hide, gone)
    return marked


def _looked_at(connection: Connection, ends: Mapping[int, str]) -> int:
    """The key up to which dispatches are those that were looked at; 0 when that cannot be told any more.

    SQLite gives the highest key out again when its dispatch is gone. As long as the end of a slice is there, no key
    below it was.
    """
    found = select(dispatch.c.key, dispatch.c.id).where(Within(dispatch.c.key, "keys"))
    known = {row.key: row.id for row in connection.execute(found, {"keys": many(connection, ends)})}
    return max(ends, default=0) if known == ends else 0


def to_be_swept(connection: Connection) -> bool:
    """Whether assets may be there that nothing names since a purge."""
    return connection.execute(select(setting.c.name).where(setting.c.name == _UNSWEPT)).first() is not None


def begin_sweep(connection: Connection) -> str:
    """Note that assets are to be swept, unless that is noted; what is noted."""
    return fact(connection, _UNSWEPT, "0")


def end_sweep(connection: Connection, noted: str) -> None:
    """Take the note back, unless something was purged since."""
    connection.execute(delete(setting).where(setting.c.name == _UNSWEPT, setting.c.value == noted))


def trimmed(connection: Connection, owner: str) -> int:
    """The latest of an owner's events that was removed."""
    found = connection.execute(select(setting.c.value).where(setting.c.name == _trimmed(owner))).scalar()
    return int(found or 0)


def _trimmed(owner: str) -> str:
    return f"events trimmed {owner}"


def _note(connection: Connection, gone: Mapping[str, Any], now: float) -> None:
    """Note which events are going to be missing, and that assets may go."""
    # The new one is there before the old one goes: SQLite numbers a row by the highest number that there is.
    noted = insert(event).values(at=now, kind=_PURGED).returning(event.c.sequence)
    new = connection.execute(noted).scalar_one()
    connection.execute(delete(event).where(event.c.dispatch.is_(None), event.c.kind == _PURGED, event.c.sequence < new))
    fact(connection, _UNSWEPT, "0")
    connection.execute(update(setting).where(setting.c.name == _UNSWEPT).values(value=str(new)))
    latest = (
        select(event.c.sequence)
        .where(event.c.dispatch == dispatch.c.key)
        .order_by(event.c.sequence.desc())
        .limit(1)
        .scalar_subquery()
    )
    per_owner = select(dispatch.c.owner, func.max(latest)).where(Within(dispatch.c.key, "keys"))
    for owner, sequence in connection.execute(per_owner.group_by(dispatch.c.owner), gone).all():
        if sequence is not None and sequence > int(fact(connection, _trimmed(owner), "0")):
            connection.execute(update(setting).where(setting.c.name == _trimmed(owner)).values(value=str(sequence)))


def leftovers(connection: Connection) -> dict[int, str]:
    """The owners of the dispatches that were purged and have rows left, by the keys of these."""
    rows = connection.execute(
        select(dispatch.c.key, dispatch.c.owner)
        .where(dispatch.c.complete == 0, dispatch.c.ended_at.is_not(None))
        .order_by(dispatch.c.key)
    )
    return {row.key: row.owner for row in rows}


def remove_piece(connection: Connection, key: int) -> bool:
    """Remove some rows of a dispatch that is marked, its own last of all; False when that was the last piece."""
    events = select(event.c.sequence).where(event.c.dispatch == key).limit(_EVENTS)
    if connection.execute(delete(event).where(event.c.sequence.in_(events))).rowcount:
        return True
    first = select(node.c.key).where(node.c.dispatch == key).order_by(node.c.number).limit(NODES)
    nodes = connection.execute(first).scalars().all()
    if not nodes:
        connection.execute(delete(dispatch).where(dispatch.c.key == key))
        return False
    if not _remove_streams(connection, nodes):
        connection.execute(delete(link).where(or_(link.c.child.in_(nodes), link.c.parent.in_(nodes))))
        connection.execute(delete(node).where(node.c.key.in_(nodes)))
    return True


def _remove_streams(connection: Connection, nodes: Sequence[int]) -> bool:
    """Remove some of what nodes printed; whether there may be more."""
    which = tuple_(stream.c.node, stream.c.attempt, stream.c.stream, stream.c.offset)
    some = (
        select(stream.c.node, stream.c.attempt, stream.c.stream, stream.c.offset)
        .where(stream.c.node.in_(nodes))
        .limit(_STREAMS)
    )
    return connection.execute(delete(stream).where(which.in_(some))).rowcount == _STREAMS
