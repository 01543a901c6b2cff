"""Writing what ``core`` decided: nodes move, successors' counters fall, events are noted.

Everything here is set-based: a poll with sixty completions costs as many statements as one with a single one.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, bindparam, case, func, insert, select, update

from covalent.status import Status
from covalent_server.core.decisions import Decision, NodeView, Policy, decide
from covalent_server.core.events import NodeEvent
from covalent_server.core.states import NodeState
from covalent_server.db import AnyRow, gates
from covalent_server.db.dialect import Within, many
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import dispatch, event, link, node

#: Rows that one transaction writes or moves at most where there may be very many, so that others are not held up.
PIECE: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One node's decision, with what is stored beside it."""

    key: int
    dispatch: int
    #: The gate whose limits it falls under, 0 for none.
    gate: int
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

    @property
    def frees(self) -> bool:
        """Whether a lease ends."""
        return self.before.state.leased and not self.decision.node.state.leased


@dataclass(slots=True, kw_only=True)
class Effects:
    """What others must be told once the transaction is committed."""

    #: Pools in which a node became ready, or was let through by a limit.
    pools: set[int] = field(default_factory=set)
    #: Those of them that wait for a limit under which a lease ended.
    behind: set[int] = field(default_factory=set)
    #: Ids of dispatches that ended, or that from now on wait for their client.
    ended: set[str] = field(default_factory=set)
    #: Keys of nodes that ended, or wait for something else than a worker from now on.
    settled: set[int] = field(default_factory=set)
    #: Whether a sublattice's manifest waits to become a dispatch.
    spawning: bool = False
    #: When the first of the delayed nodes is due.
    due_at: float | None = None
    #: Whether a trigger is to be looked at.
    triggers: bool = False

    def include(self, other: Effects) -> None:
        """Take in what another operation brought about."""
        self.pools |= other.pools
        self.behind |= other.behind
        self.ended |= other.ended
        self.settled |= other.settled
        self.spawning |= other.spawning
        self.triggers |= other.triggers
        self.due_at = min(filter(None, (self.due_at, other.due_at)), default=None)


def view(row: AnyRow) -> NodeView:
    """A node's row as a decision sees it."""
    return NodeView(
        state=NodeState(row.state),
        attempt=row.attempt,
        fenced=row.fenced,
        failures=row.failures,
        losses=row.losses,
    )


#: What :func:`view`, :func:`policy_of` and :func:`decided` read.
STATE = (
    node.c.key,
    node.c.dispatch,
    node.c.gate,
    node.c.state,
    node.c.attempt,
    node.c.fenced,
    node.c.failures,
    node.c.losses,
    node.c.policy,
)


def policy_of(row: AnyRow) -> Policy:
    """How a node's row says that it is tried."""
    return _policy(row.policy)


@functools.lru_cache(maxsize=1024)
def _policy(text: str | None) -> Policy:
    return Policy() if text is None else Policy(**json.loads(text))


def decided(
    row: AnyRow,
    happened: NodeEvent,
    *,
    worker: str | None = None,
    output: str | None = None,
    started_at: float | None = None,
    ended_at: float | None = None,
) -> Move:
    """What ``core`` decides for a node's row when something happens to it, with what is stored beside it."""
    before = view(row)
    return Move(
        key=row.key,
        dispatch=row.dispatch,
        gate=row.gate,
        before=before,
        decision=decide(before, happened, policy_of(row)),
        worker=worker,
        output=output,
        started_at=started_at,
        ended_at=ended_at,
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
        due_at=bindparam("b_due_at"),
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
    .returning(dispatch.c.unfinished, dispatch.c.postprocesses)
)
_POOLS = Prepared(select(node.c.pool).where(Within(node.c.key, "keys")).distinct())
_ADD_EVENT = Prepared(
    insert(event).values({name: bindparam(name) for name in ("at", "kind", "dispatch", "node", "attempt")})
)


def shift(connection: Connection, moves: Iterable[Move], now: float) -> tuple[Effects, list[int]]:
    """Write moves that were decided in this transaction; what follows, and the dispatches with nothing left to do."""
    moved = [move for move in moves if move.moved]
    if not moved:
        return Effects(), []
    _MOVE.many(connection, [_parameters(move) for move in moved])
    _note(connection, moved, now)
    effects = _effects(moved)
    effects.pools.update(_returned_pools(connection, moved))
    if freed := {move.gate for move in moved if move.gate and move.frees}:
        effects.behind = gates.pools_behind(connection, freed)
        effects.pools |= effects.behind
    _let_fall(connection, moved, effects)
    return effects, _finished(connection, moved)


def _effects(moved: Sequence[Move]) -> Effects:
    """What follows from the moves themselves."""
    dues = [move.decision.due_at for move in moved if move.decision.due_at is not None]
    return Effects(
        settled={move.key for move in moved if _is_settled(move.decision.node.state)},
        spawning=any(move.decision.node.state is NodeState.DISPATCHING for move in moved),
        due_at=min(dues, default=None),
    )


def _is_settled(state: NodeState) -> bool:
    return state.terminal or state in (NodeState.DISPATCHING, NodeState.DELAYED)


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
        # A sublattice's node keeps the digest of its manifest until its dispatch has ended.
        "b_output": move.output if after.state in (NodeState.COMPLETED, NodeState.DISPATCHING) else None,
        "b_error": move.decision.error,
        "b_started_at": move.started_at,
        "b_ended_at": move.ended_at if after.state.terminal else None,
        "b_due_at": move.decision.due_at,
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


def note(connection: Connection, kind: str, dispatch_key: int, now: float) -> None:
    """Note an event of a whole dispatch."""
    _ADD_EVENT.one(connection, {"at": now, "kind": kind, "dispatch": dispatch_key, "node": None, "attempt": None})


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


def _finished(connection: Connection, moved: Sequence[Move]) -> list[int]:
    """Count what has ended; the dispatches of which nothing is left."""
    ended = Counter(move.dispatch for move in moved if move.decision.node.state.terminal)
    if not ended:
        return []
    failed = Counter(move.dispatch for move in moved if move.decision.node.state is NodeState.FAILED)
    cancelled = Counter(move.dispatch for move in moved if move.decision.node.state is NodeState.CANCELLED)
    stopped = [move.key for move in moved if move.decision.node.state in (NodeState.FAILED, NodeState.CANCELLED)]
    if stopped:
        ended.update(_BLOCK.one(connection, {"failed": many(connection, stopped)}).scalars())
    finished = []
    for key, number in ended.items():
        row = count(connection, key, ended=number, failed=failed[key], cancelled=cancelled[key])
        if not row.unfinished:
            finished.append(key)
        elif row.unfinished == 1 and row.postprocesses:
            postprocess(connection, key)
    return finished


def count(connection: Connection, key: int, *, ended: int, failed: int = 0, cancelled: int = 0) -> AnyRow:
    """Count nodes of a dispatch that have ended; how many are ``unfinished``, and whether it ``postprocesses``."""
    return _COUNT.one(connection, {"b_key": key, "b_ended": ended, "b_failed": failed, "b_cancelled": cancelled}).one()


def postprocess(connection: Connection, key: int) -> None:
    """Of a dispatch only the task is left that puts its value together: say so."""
    last = select(node.c.key).where(
        node.c.dispatch == key,
        node.c.number == dispatch.c.output_node,
        node.c.state.in_([NodeState.READY, *(state for state in NodeState if state.leased)]),
    )
    connection.execute(
        update(dispatch)
        .where(dispatch.c.key == key, dispatch.c.status == Status.RUNNING, last.exists())
        .values(status=Status.POSTPROCESSING)
    )
