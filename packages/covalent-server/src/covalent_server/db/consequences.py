"""Carrying decisions out to their end: nodes move, dispatches with nothing left to do end, and what waits for those."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, select, update

from covalent.status import Status
from covalent_server.core.events import ChildEnded
from covalent_server.core.planning import conclude
from covalent_server.core.states import NodeState
from covalent_server.db import AnyRow, caching
from covalent_server.db.moves import STATE, Effects, Move, decided, note, shift
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import dispatch, node

#: How many failed tasks a dispatch's error tells of in full.
_TOLD_FAILURES = 5
#: Characters of each one's error.
_TOLD_HEAD = 1000
_TOLD_TAIL = 3000

#: What decides how a dispatch ends, its output node's state and output among it.
_ENDING = Prepared(
    select(
        *(dispatch.c.key, dispatch.c.id, dispatch.c.owner, dispatch.c.parent, dispatch.c.observes),
        *(dispatch.c.failed, dispatch.c.cancelled, dispatch.c.result, dispatch.c.postprocesses),
        node.c.state,
        node.c.output,
    )
    .outerjoin(node, and_(node.c.dispatch == dispatch.c.key, node.c.number == dispatch.c.output_node))
    .where(dispatch.c.key == bindparam("key"))
)
_END = Prepared(
    update(dispatch)
    .where(dispatch.c.key == bindparam("b_key"))
    .values({name: bindparam(f"b_{name}") for name in ("status", "result", "error", "ended_at")})
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """How a sublattice's dispatch ended."""

    status: Status
    error: str | None = None
    #: The digest of its value.
    result: str | None = None


def apply(connection: Connection, moves: Iterable[Move], now: float) -> Effects:
    """Carry out decisions that were made in this transaction, with all that follows from them."""
    effects = Effects()
    waiting = list(moves)
    while waiting:
        shifted, finished = shift(connection, waiting, now)
        effects.include(shifted)
        waiting = []
        for key in finished:
            ended, parents_move = _end(connection, key, now)
            effects.include(ended)
            waiting += parents_move
    return effects


def finish(connection: Connection, key: int, now: float) -> Effects:
    """End a dispatch that has nothing to do, and with it the node that it is the sublattice of."""
    ended, parents_move = _end(connection, key, now)
    ended.include(apply(connection, parents_move, now))
    return ended


def _end(connection: Connection, key: int, now: float) -> tuple[Effects, list[Move]]:
    """End a dispatch all of whose nodes have ended; also the move, if any, of the node that it is the sublattice of."""
    row = _ENDING.one(connection, {"key": key}).one()
    status = conclude(
        failed=row.failed,
        cancelled=row.cancelled,
        output=None if row.state is None else NodeState(row.state),
        postprocesses=bool(row.postprocesses),
    )
    error = _failures(connection, row) if row.failed else None
    result = row.result if row.state is None else row.output
    ended_at = now if status.terminal else None
    _END.one(
        connection, {"b_key": key, "b_status": status, "b_result": result, "b_error": error, "b_ended_at": ended_at}
    )
    note(connection, f"dispatch.{status.lower()}", key, now)
    if row.observes is not None:
        return Effects(triggers=True), []
    ended = Effects(ended={row.id})
    if row.parent is None:
        return ended, []
    told = f"its sublattice, dispatch {row.id}, is {status}\n{error}" if error else None
    move = _child_ended(connection, row.parent, Child(status=status, error=told, result=result), now)
    # The key was noted when the node's own task was leased, as of any task.
    key_of = select(node.c.cache_key).where(node.c.key == move.key)
    caching.remember(connection, row.owner, [(connection.execute(key_of).scalar(), move)])
    return ended, [move]


def fail_child(connection: Connection, parent: int, reason: str, now: float) -> Effects:
    """Fail a sublattice's node whose manifest cannot become a dispatch."""
    move = _child_ended(connection, parent, Child(status=Status.FAILED, error=reason), now)
    return apply(connection, [move], now)


def _child_ended(connection: Connection, parent: int, child: Child, now: float) -> Move:
    """The move of a sublattice's node that takes the end of its dispatch."""
    row = connection.execute(select(*STATE, node.c.started_at).where(node.c.key == parent)).one()
    chance = random.random()  # noqa: S311 - no secret
    happened = ChildEnded(attempt=row.fenced, status=child.status, error=child.error, at=now, chance=chance)
    return decided(row, happened, output=child.result, started_at=row.started_at, ended_at=now)


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
