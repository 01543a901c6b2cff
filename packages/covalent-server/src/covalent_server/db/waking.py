"""Nodes that wait for something else than a worker: for their time, or for their sublattice to become a dispatch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, TextClause, select, update

from covalent_server.core.events import Due
from covalent_server.core.states import NodeState
from covalent_server.db.consequences import apply, fail_child
from covalent_server.db.moves import PIECE, STATE, Effects, decided
from covalent_server.db.tables import IS_SUSPENDED, asset, dispatch, event, node


@dataclass(frozen=True, slots=True, kw_only=True)
class Unborn:
    """A sublattice's node whose manifest has not become a dispatch."""

    node: int
    attempt: int
    owner: str
    digest: str
    size: int
    #: The manifest's asset, None when it is in the asset store.
    data: bytes | None
    #: What the sublattice inherits.
    env: str | None
    rank: int


_DISPATCHING: Final = node.c.state == NodeState.DISPATCHING


def _due(now: float) -> tuple[ColumnElement[bool] | TextClause, ...]:
    return IS_SUSPENDED, node.c.state == NodeState.DELAYED, node.c.due_at <= now


def wake(connection: Connection, now: float) -> Effects:
    """Let delayed nodes whose time has come be leased: some of them, the next time others, until none is left."""
    rows = connection.execute(select(*STATE).where(*_due(now)).order_by(node.c.due_at).limit(PIECE)).all()
    return apply(connection, [decided(row, Due()) for row in rows], now)


def any_due(connection: Connection, now: float) -> bool:
    """Whether a delayed node's time has come."""
    return connection.execute(select(node.c.key).where(*_due(now)).limit(1)).scalar() is not None


def set_back(connection: Connection, seconds: float) -> None:
    """The clock was set back: nodes are due as much earlier, so that none waits for longer than it was to."""
    delayed = (IS_SUSPENDED, node.c.state == NodeState.DELAYED)
    connection.execute(update(node).where(*delayed).values(due_at=node.c.due_at - seconds))


def latest(connection: Connection) -> float:
    """The time of the last thing that happened; 0 when nothing has."""
    found: float | None = connection.execute(select(event.c.at).order_by(event.c.sequence.desc()).limit(1)).scalar()
    return found or 0.0


def unborn(connection: Connection, after: int, limit: int) -> list[Unborn]:
    """The first sublattices that are to become dispatches, of the nodes that come ``after`` one, by key."""
    child = dispatch.alias("child")
    born = select(child.c.key).where(child.c.parent == node.c.key, child.c.complete == 1, child.c.ended_at.is_(None))
    rows = connection.execute(
        select(
            node.c.key,
            node.c.fenced,
            node.c.output,
            node.c.rank,
            dispatch.c.owner,
            dispatch.c.env,
            asset.c.size,
            asset.c.data,
        )
        .join(dispatch, dispatch.c.key == node.c.dispatch)
        .join(asset, asset.c.digest == node.c.output)
        .where(IS_SUSPENDED, _DISPATCHING, node.c.key > after, ~born.exists())
        .order_by(node.c.key)
        .limit(limit)
    )
    return [
        Unborn(
            node=row.key,
            attempt=row.fenced,
            owner=row.owner,
            digest=row.output,
            size=row.size,
            data=row.data,
            env=row.env,
            rank=row.rank,
        )
        for row in rows
    ]


def stillborn(connection: Connection, item: Unborn, reason: str, now: float) -> Effects:
    """The sublattice cannot become a dispatch: its node fails."""
    current = connection.execute(
        select(node.c.key).where(IS_SUSPENDED, _DISPATCHING, node.c.key == item.node, node.c.fenced == item.attempt)
    ).scalar()
    if current is None:
        return Effects()
    return fail_child(connection, item.node, reason, now)
