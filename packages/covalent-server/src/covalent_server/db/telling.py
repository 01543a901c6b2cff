"""Which ends of dispatches another program has still to be told of; the database keeps how far that has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select, update

from covalent.status import Status
from covalent_server.db.happened import latest
from covalent_server.db.identity import fact
from covalent_server.db.tables import dispatch, event, setting

_TOLD: Final = "webhook told"
_ENDS: Final = tuple(f"dispatch.{status.lower()}" for status in Status if status.terminal)
#: What ended longer ago, in seconds, is told no more.
_OLDEST: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The end of a dispatch that is no sublattice's."""

    sequence: int
    at: float
    kind: str
    owner: str
    dispatch_id: str


def begin(connection: Connection) -> None:
    """Tell from now on, or go on where a server was that told before."""
    fact(connection, _TOLD, str(latest(connection)))


def untold(connection: Connection, now: float, limit: int) -> list[End]:
    """The first ends that nobody was told of."""
    told = int(connection.execute(select(setting.c.value).where(setting.c.name == _TOLD)).scalar() or 0)
    rows = connection.execute(
        select(event.c.sequence, event.c.at, event.c.kind, dispatch.c.owner, dispatch.c.id)
        .join(dispatch, dispatch.c.key == event.c.dispatch)
        .where(event.c.sequence > told, event.c.kind.in_(_ENDS), event.c.at > now - _OLDEST)
        .where(dispatch.c.complete == 1, dispatch.c.observes.is_(None), dispatch.c.parent.is_(None))
        .order_by(event.c.sequence)
        .limit(limit)
    )
    return [End(sequence=row.sequence, at=row.at, kind=row.kind, owner=row.owner, dispatch_id=row.id) for row in rows]


def tell(connection: Connection, sequence: int) -> None:
    """Note that an end was told, or given up."""
    connection.execute(update(setting).where(setting.c.name == _TOLD).values(value=str(sequence)))
