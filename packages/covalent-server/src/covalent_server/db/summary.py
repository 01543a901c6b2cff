"""How an owner's dispatches stand altogether."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from covalent.status import Status
from covalent.wire.records import DispatchRecord
from covalent_server.db.happened import latest
from covalent_server.db.listing import DispatchFilter, dispatches
from covalent_server.db.reads import owned
from covalent_server.db.tables import dispatch, node

#: Dispatches that are told one by one, of each kind.
TOLD: Final = 20
#: Where a dispatch stands that somebody works on.
_AT_WORK: Final = tuple(status for status in Status if not status.at_rest and status is not Status.NEW_OBJECT)
_FAILED: Final = (Status.FAILED, Status.FAILED_POSTPROCESSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the database knows of how an owner's dispatches stand."""

    sequence: int
    counts: dict[str, int]
    running: tuple[DispatchRecord, ...]
    failed: tuple[DispatchRecord, ...]
    nodes: dict[str, int]


def standing(connection: Connection, owner: str) -> Standing:
    """How an owner's dispatches stand; those of sublattices are not counted, their nodes are."""
    counted = owned(select(dispatch.c.status, func.count()), owner).where(dispatch.c.parent.is_(None))
    at_work = owned(select(dispatch.c.key), owner).where(dispatch.c.ended_at.is_(None), dispatch.c.status.in_(_AT_WORK))
    nodes = select(node.c.state, func.count()).where(node.c.dispatch.in_(at_work)).group_by(node.c.state)
    running = dispatches(connection, owner, DispatchFilter(statuses=_AT_WORK), limit=TOLD)
    failed = dispatches(connection, owner, DispatchFilter(statuses=_FAILED), limit=TOLD)
    return Standing(
        sequence=latest(connection),
        counts={row[0]: row[1] for row in connection.execute(counted.group_by(dispatch.c.status))},
        running=running.dispatches,
        failed=failed.dispatches,
        nodes={row[0]: row[1] for row in connection.execute(nodes)},
    )
