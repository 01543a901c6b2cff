"""Carrying out what ``core`` decided: nodes move, successors' counters fall, dispatches end, events are noted.

Everything here is set-based: a poll with sixty completions costs as many statements as one with a single one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, insert, select, update

from covalent_server.core.decisions import Decision, NodeView
from covalent_server.core.planning import conclude
from covalent_server.core.states import NodeState
from covalent_server.db import AnyRow
from covalent_server.db.dialect import Within, many
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import dispatch, event, link, node

#: How many failed tasks a dispatch's error tells of in full.
_TOLD_FAILURES = 5
#: Characters of each one's error.
_TOLD_HEAD = 1000
_TOLD_TAIL = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One node's decision, with what is stored beside it."""

    key: int
    dispatch: int
    before: NodeView
    decision: Decision
    #: None leaves the worker as it is in the row only while the node stays leased.
    worker: str | None = None
    output: str | None = None
    started_at: float | None = None
    ended_at: float | None = None

    @property
    def moved(self) -> bool:
        """Whether anything changes."""
        return self.decision.node != self.before


@dataclass(slots=True, kw_only=True)
class Effects:
    """What others must be told once the transaction is committed."""

    #: Pools in which a node became ready.
    pools: set[int] = field(default_factory=set)
    #: Ids of dispatches that ended.
    ended: set[str] = field(default_factory=set)

    def include(self, other: Effects) -> None:
        """Take in what another operation brought about."""
        self.pools |= other.pools
        self.ended |= other.ended


def view(row: AnyRow) -> NodeView:
    """A node's row as a decision sees it."""
    return NodeView(
        state=NodeState(row.state),
        attempt=row.attempt,
        fenced=row.fenced,
        failures=row.failures,
        losses=row.losses,
    )


_MOVE = Prepared(
    update(node)
    .where(node.c.key == bindparam("b_key"))
    .values(
        state=bindparam("b_state"),
        attempt=bindparam("b_attempt"),
        fenced=bindparam("b_fenced"),
        failures=bindparam("b_failures"),
        losses=bindparam("b_losses"),
        worker=bindparam("b_worker"),
        output=bindparam("b_output"),
        error=bindparam("b_error"),
        started_at=bindparam("b_started_at"),
        ended_at=bindparam("b_ended_at"),
    )
)

_fallen = (
    select(link.c.child, func.count().label("completed"))
    .where(Within(link.c.parent, "parents"))
    .group_by(link.c.child)
    .subquery("fallen")
)
_FALL = Prepared(
    update(node)
    .where(node.c.key == _fallen.c.child)
    .values(
        remaining=node.c.remaining - _fallen.c.completed,
        state=case(
            (
                (node.c.remaining == _fallen.c.completed) & (node.c.state == NodeState.WAITING),
                NodeState.READY,
            ),
            else_=node.c.state,
        ),
    )
    .returning(node.c.pool, node.c.state)
)

_children = select(link.c.child).where(Within(link.c.parent, "failed")).cte(recursive=True)
_descendants = _children.union(select(link.c.child).join(_children, link.c.parent == _children.c.child))
_BLOCK = Prepared(
    update(node)
    .where(node.c.key.in_(select(_descendants.c.child)), node.c.state == NodeState.WAITING)
    .values(state=NodeState.BLOCKED)
    .returning(node.c.dispatch)
)

_COUNT = Prepared(
    update(dispatch)
    .where(dispatch.c.key == bindparam("b_key"))
    .values(
        unfinished=dispatch.c.unfinished - bindparam("b_ended"),
        failed=dispatch.c.failed + bindparam("b_failed"),
        cancelled=dispatch.c.cancelled + bindparam("b_cancelled"),
    )
    .returning(dispatch.c.unfinished)
)
_POOLS = Prepared(select(node.c.pool).where(Within(node.c.key, "keys")).distinct())
_ADD_EVENT = Prepared(
    insert(event).values({name: bindparam(name) for name in ("at", "kind", "dispatch", "node", "attempt")})
)


def apply(connection: Connection, moves: Iterable[Move], now: float) -> Effects:
    """Carry out decisions that were made in this transaction."""
    moved = [move for move in moves if move.moved]
    if not moved:
        return Effects()
    _MOVE.many(connection, [_parameters(move) for move in moved])
    _note(connection, moved, now)
    effects = Effects()
    effects.pools.update(_returned_pools(connection, moved))
    _let_fall(connection, moved, effects)
    _count(connection, moved, now, effects)
    return effects


def _parameters(move: Move) -> dict[str, Any]:
    after = move.decision.node
    return {
        "b_key": move.key,
        "b_state": after.state,
        "b_attempt": after.attempt,
        "b_fenced": after.fenced,
        "b_failures": after.failures,
        "b_losses": after.losses,
        "b_worker": move.worker if after.state.leased else None,
        "b_output": move.output if after.state is NodeState.COMPLETED else None,
        "b_error": move.decision.error,
        "b_started_at": move.started_at,
        "b_ended_at": move.ended_at if after.state.terminal else None,
    }


def _note(connection: Connection, moved: Sequence[Move], now: float) -> None:
    rows = [
        {
            "at": now,
            "kind": f"node.{move.decision.node.state.lower()}",
            "dispatch": move.dispatch,
            "node": move.key,
            "attempt": move.decision.node.attempt,
        }
        for move in moved
    ]
    _ADD_EVENT.many(connection, rows)


def _returned_pools(connection: Connection, moved: Sequence[Move]) -> set[int]:
    """The pools of nodes that went back to READY."""
    keys = [move.key for move in moved if move.decision.node.state is NodeState.READY]
    if not keys:
        return set()
    return set(_POOLS.one(connection, {"keys": many(connection, keys)}).scalars())


def _let_fall(connection: Connection, moved: Sequence[Move], effects: Effects) -> None:
    """Grouped counts over distinct pairs: two parents in one batch lower a child's counter by two."""
    completed = [move.key for move in moved if move.decision.node.state is NodeState.COMPLETED]
    if completed:
        rows = _FALL.one(connection, {"parents": many(connection, completed)})
        effects.pools.update(pool for pool, state in rows if state == NodeState.READY)


def _count(connection: Connection, moved: Sequence[Move], now: float, effects: Effects) -> None:
    ended = Counter(move.dispatch for move in moved if move.decision.node.state.terminal)
    if not ended:
        return
    failed = Counter(move.dispatch for move in moved if move.decision.node.state is NodeState.FAILED)
    cancelled = Counter(move.dispatch for move in moved if move.decision.node.state is NodeState.CANCELLED)
    stopped = [move.key for move in moved if move.decision.node.state in (NodeState.FAILED, NodeState.CANCELLED)]
    if stopped:
        ended.update(_BLOCK.one(connection, {"failed": many(connection, stopped)}).scalars())
    for key, count in ended.items():
        counts = {"b_key": key, "b_ended": count, "b_failed": failed[key], "b_cancelled": cancelled[key]}
        if not _COUNT.one(connection, counts).scalar_one():
            row = connection.execute(select(dispatch).where(dispatch.c.key == key)).one()
            finish(connection, row, now)
            effects.ended.add(row.id)


def finish(connection: Connection, row: AnyRow, now: float) -> None:
    """End a dispatch all of whose nodes have ended."""
    status = conclude(failed=row.failed, cancelled=row.cancelled)
    result = row.result
    if row.output_node is not None:
        result = connection.execute(
            select(node.c.output).where(node.c.dispatch == row.key, node.c.number == row.output_node)
        ).scalar()
    connection.execute(
        update(dispatch)
        .where(dispatch.c.key == row.key)
        .values(status=status, result=result, ended_at=now, error=_failures(connection, row) if row.failed else None)
    )
    connection.execute(
        insert(event).values(at=now, kind=f"dispatch.{status.lower()}", dispatch=row.key, node=None, attempt=None)
    )


def _failures(connection: Connection, row: AnyRow) -> str:
    """Which tasks failed and why, the first few in full."""
    rows = connection.execute(
        select(node.c.number, node.c.record, node.c.error)
        .where(node.c.dispatch == row.key, node.c.state == NodeState.FAILED)
        .order_by(node.c.position)
        .limit(_TOLD_FAILURES)
    ).all()
    told = [f"{json.loads(item.record)['name']}({item.number}): {_shortened(item.error)}" for item in rows]
    if row.failed > len(rows):
        more = row.failed - len(rows)
        told.append(f"… and {more} more failed task{'s' if more > 1 else ''}")
    return "\n\n".join(told)


def _shortened(error: str) -> str:
    """A task's error, short enough to stand beside others; the node has all of it."""
    if len(error) <= _TOLD_HEAD + _TOLD_TAIL:
        return error
    cut = len(error) - _TOLD_HEAD - _TOLD_TAIL
    return f"{error[:_TOLD_HEAD]}\n[… {cut} characters …]\n{error[-_TOLD_TAIL:]}"
