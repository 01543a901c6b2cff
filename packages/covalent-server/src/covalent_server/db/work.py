"""One worker's poll as one transaction: assets and streams in, completions decided, leases out."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sqlalchemy import Connection, Text, bindparam, func, select, update

from covalent.wire.codec import to_json
from covalent.wire.work import Acknowledgement, Completion, Environment, LeaseKey, Outcome
from covalent_server.core.decisions import ALONE_AFTER, Decision, NodeView, Policy, decide
from covalent_server.core.events import Finished, Leased, LeaseEnd, LeaseEnded, PoolFailed, Preparing, Started
from covalent_server.core.states import NodeState
from covalent_server.core.turns import Turn
from covalent_server.db import AnyRow, assets, caching
from covalent_server.db.consequences import apply
from covalent_server.db.dialect import Within, insert_or_raise, many
from covalent_server.db.links import parents_outputs
from covalent_server.db.moves import PIECE, STATE, Effects, Move, decided, policy_of, view
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import IS_READY, dispatch, node, stream
from covalent_server.db.turns import TASK, Wanted, following

#: Characters of an error that are kept; workers keep to less.
_MAX_ERROR: Final = 256 * 1024
#: Characters of what is told of a layer, and of a directory's path, that are kept.
_MAX_ENVIRONMENT: Final = 64 * 1024
_MAX_PATH: Final = 4096
#: The year 5000.
_LATEST: Final = 95_617_584_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPiece:
    """A piece of what a task printed."""

    key: LeaseKey
    stream: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a worker tells and wants; every lease key in it has been found to be genuine."""

    worker: str
    owner: str
    pool: int
    want: int
    #: Whether the worker holds nothing, so that it may be given a task that has to be alone.
    idle: bool = True
    #: Features of this server that the worker does not have.
    lacks: frozenset[str] = frozenset()
    #: Whose turn was last in the pool.
    after: Turn | None = None
    assets: Sequence[assets.NewAsset] = ()
    #: Until when those of the assets are kept that are no output here: a later report is to name them.
    kept_until: float = 0.0
    streams: Sequence[StreamPiece] = ()
    completions: Sequence[Completion] = ()
    started: Sequence[LeaseKey] = ()
    preparing: Sequence[LeaseKey] = ()
    released: Sequence[LeaseKey] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedNode:
    """A node that a worker was given, with what its lease is made of."""

    key: int
    attempt: int
    number: int
    record: str
    dispatch_id: str
    root_dispatch_id: str
    project: str | None
    requires: tuple[str, ...]
    #: Environment variables, as a JSON object; None for none.
    env: str | None
    #: Each parent's output, by the parent's number.
    outputs: dict[int, str]
    #: Whether its worker is to hold nothing else meanwhile.
    alone: bool = False


@dataclass(slots=True, kw_only=True)
class ReportOutcome:
    """What a report brought about."""

    acknowledgements: list[Acknowledgement] = field(default_factory=list)
    leased: list[LeasedNode] = field(default_factory=list)
    #: Leases whose task is never begun twice and may begin now: that is on the disk.
    begin: list[LeaseKey] = field(default_factory=list)
    #: Whether there were nodes that the worker may have only later, when it holds nothing else.
    withheld: bool = False
    #: Whether equal tasks of before stood in for nodes that it would have been given, so that there may be others.
    reused: bool = False
    #: Whether it was given nothing under limits, for others to go first, and is to ask again.
    yielded: bool = False
    #: Whose turn was last in the pool.
    turn: Turn | None = None
    effects: Effects = field(default_factory=Effects)


#: A piece that was on its way when its task ended comes again with all that was printed since: the longer one stays.
_ADD_PIECE = Prepared(
    insert_or_raise(stream, "node", "attempt", "stream", "offset", "data", raised="data", measured=func.length)
)
_PREPARING = Prepared(update(node).where(node.c.key == bindparam("b_key")).values(preparing_at=bindparam("b_at")))
#: An attempt that has no environment to tell of leaves what an earlier one told.
_DESCRIBE = Prepared(
    update(node)
    .where(node.c.key == bindparam("b_key"))
    .values(
        environment=func.coalesce(bindparam("b_environment", type_=Text), node.c.environment),
        workdir=bindparam("b_workdir"),
    )
)
_STATES = Prepared(select(*STATE).where(Within(node.c.key, "keys")))
#: Whose they are is compared here: asked for an owner's nodes, SQLite would go through all that the owner ever had.
_NODES = Prepared(
    select(*STATE, node.c.worker, node.c.cache_key, node.c.started_at, dispatch.c.owner)
    .join(dispatch, dispatch.c.key == node.c.dispatch)
    .where(Within(node.c.key, "keys"))
)
_LEASED = Prepared(select(*TASK).join(dispatch, dispatch.c.key == node.c.dispatch).where(Within(node.c.key, "keys")))


def report(connection: Connection, incoming: Report, now: float) -> ReportOutcome:
    """Take in all that a worker tells, then lease it what it wants."""
    outcome = ReportOutcome()
    _store_assets(connection, incoming, now)
    if incoming.started or incoming.completions or incoming.streams or incoming.preparing:
        rows = _rows(connection, incoming)
        if incoming.streams:
            _store_streams(connection, incoming, rows)
        # What began and ended within one report needs no mention of its beginning, and what is given back has none.
        done = {(item.key.node, item.key.attempt) for item in incoming.completions}
        done.update((key.node, key.attempt) for key in incoming.released)
        begun = [key for key in incoming.started if (key.node, key.attempt) not in done]
        outcome.begin = _start(connection, incoming.worker, begun, rows, now)
        done.update((key.node, key.attempt) for key in begun)
        _prepare(connection, [key for key in incoming.preparing if (key.node, key.attempt) not in done], rows, now)
        _complete(connection, incoming, rows, now, outcome)
    if incoming.released:
        keys = [(key.node, key.attempt) for key in incoming.released]
        outcome.effects.include(end_leases(connection, keys, LeaseEnd.RETURNED, now))
    if incoming.want > 0:
        lease(connection, incoming, now, outcome)
    return outcome


def _store_assets(connection: Connection, incoming: Report, now: float) -> None:
    outputs = {item.output for item in incoming.completions}
    assets.store(connection, incoming.owner, [item for item in incoming.assets if item.digest in outputs], now)
    ahead = [item for item in incoming.assets if item.digest not in outputs]
    assets.store(connection, incoming.owner, ahead, incoming.kept_until)


def _rows(connection: Connection, incoming: Report) -> dict[int, AnyRow]:
    keys = {key.node for key in incoming.started}
    keys.update(key.node for key in incoming.preparing)
    keys.update(item.key.node for item in incoming.completions)
    keys.update(piece.key.node for piece in incoming.streams)
    rows = _NODES.one(connection, {"keys": many(connection, keys)})
    return {row.key: row for row in rows if row.owner == incoming.owner}


def _store_streams(connection: Connection, incoming: Report, rows: dict[int, AnyRow]) -> None:
    pieces = [
        {
            "node": piece.key.node,
            "attempt": piece.key.attempt,
            "stream": piece.stream,
            "offset": piece.offset,
            "data": piece.data,
        }
        for piece in incoming.streams
        if piece.key.node in rows
    ]
    _ADD_PIECE.many(connection, pieces)


def _start(
    connection: Connection, worker: str, begun: Sequence[LeaseKey], rows: dict[int, AnyRow], now: float
) -> list[LeaseKey]:
    """Note what has begun; of tasks that are never begun twice, those that this worker may begin."""
    moves = [
        (key, row, decided(row, Started(attempt=key.attempt), worker=row.worker, started_at=now))
        for key in begun
        if (row := rows.get(key.node)) is not None
    ]
    apply(connection, [move for _, _, move in moves], now)
    return [key for key, row, move in moves if policy_of(row).at_most_once and _runs(move, row, key, worker)]


def _runs(move: Move, row: AnyRow, key: LeaseKey, worker: str) -> bool:
    """Whether a node runs now by this very lease; told as often as it is asked."""
    after = move.decision.node
    return after.state is NodeState.RUNNING and after.attempt == key.attempt and row.worker == worker


def _prepare(connection: Connection, keys: Sequence[LeaseKey], rows: dict[int, AnyRow], now: float) -> None:
    moves = [
        decided(row, Preparing(attempt=key.attempt), worker=row.worker)
        for key in keys
        if (row := rows.get(key.node)) is not None
    ]
    apply(connection, moves, now)
    _PREPARING.many(connection, [{"b_key": move.key, "b_at": now} for move in moves if move.moved])


def _complete(
    connection: Connection,
    incoming: Report,
    rows: dict[int, AnyRow],
    now: float,
    outcome: ReportOutcome,
) -> None:
    # What came along in this report is there.
    outputs = {item.output for item in incoming.completions if item.output}
    outputs.difference_update(item.digest for item in incoming.assets)
    absent = set(assets.claim(connection, incoming.owner, outputs, now))
    views = {key: view(row) for key, row in rows.items()}
    moves = []
    for item in incoming.completions:
        before = views.get(item.key.node)
        if before is None:
            outcome.acknowledgements.append(Acknowledgement.STALE)
            continue
        decision = _judge(before, item, absent, policy_of(rows[item.key.node]), now)
        outcome.acknowledgements.append(decision.acknowledgement)
        # A report may name one node twice: the second is judged by what the first brought about.
        views[item.key.node] = decision.node
        moves.append(_completion_move(rows[item.key.node], item, before, decision, now))
    caching.remember(connection, incoming.owner, [(rows[move.key].cache_key, move) for move in moves])
    outcome.effects.include(apply(connection, moves, now))
    told = zip(incoming.completions, outcome.acknowledgements, strict=True)
    _describe(connection, [item for item, answer in told if answer is Acknowledgement.OK])


def _describe(connection: Connection, taken: Sequence[Completion]) -> None:
    """Keep what some completions tell besides how their tasks ended; most tell nothing."""
    rows = [
        {"b_key": item.key.node, "b_environment": _environment(item.environment), "b_workdir": _path(item.workdir)}
        for item in taken
        if item.environment is not None or item.workdir is not None
    ]
    _DESCRIBE.many(connection, rows)


def _environment(told: Environment | None) -> str | None:
    """What a worker tells of a layer as JSON; of a list without end the packages are left out."""
    if told is None:
        return None
    text = json.dumps(to_json(told), sort_keys=True)
    return text if len(text) <= _MAX_ENVIRONMENT else json.dumps(to_json(replace(told, resolved=())), sort_keys=True)


def _path(told: str | None) -> str | None:
    """A path that can be stored and shown."""
    return told if told is not None and len(told) <= _MAX_PATH and told.isprintable() else None


def _judge(before: NodeView, item: Completion, absent: Collection[str], policy: Policy, now: float) -> Decision:
    outcome, error = item.outcome, item.error and item.error[:_MAX_ERROR]
    if outcome is Outcome.COMPLETED and (item.output is None or item.output in absent):
        outcome = Outcome.FAILED
        error = "its worker reported a value but never sent it; run the workflow again"
    chance = random.random()  # noqa: S311 - no secret
    return decide(
        before, Finished(attempt=item.key.attempt, outcome=outcome, error=error, at=now, chance=chance), policy
    )


def _completion_move(row: AnyRow, item: Completion, before: NodeView, decision: Decision, now: float) -> Move:
    return Move(
        key=row.key,
        dispatch=row.dispatch,
        gate=row.gate,
        before=before,
        decision=decision,
        output=item.output,
        started_at=_time(item.started_at, row.started_at or now),
        ended_at=_time(item.ended_at, now),
    )


def _time(claimed: float, otherwise: float) -> float:
    """A worker's clock is for people to read: what is no time of this epoch is not kept."""
    return claimed if 0 < claimed < _LATEST else otherwise


def lease(connection: Connection, incoming: Report, now: float, outcome: ReportOutcome) -> None:
    """Give a worker the nodes of its pool whose turn it is, but for those that an equal task has done before."""
    # Else who holds a limit would hold it until there is nothing left in its own pool.
    outcome.yielded = bool(outcome.effects.behind - {incoming.pool})
    wanted = Wanted(
        owner=incoming.owner,
        pool=incoming.pool,
        want=incoming.want,
        lacks=incoming.lacks,
        after=incoming.after,
        yields=outcome.yielded,
    )
    waiting, outcome.turn = following(connection, wanted)
    rows = _together(waiting, idle=incoming.idle)
    outcome.withheld = len(rows) < len(waiting)
    found = caching.find(connection, incoming.owner, [row for row in rows if policy_of(row).cache])
    if found:
        assets.claim(connection, incoming.owner, set(found.values()), now)
        outcome.reused = True
        outcome.effects.pools.add(incoming.pool)
        outcome.effects.include(
            apply(connection, [caching.reuse(row, found, now) for row in rows if row.key in found], now)
        )
        rows = [row for row in rows if row.key not in found]
    if not rows:
        return
    moves = [decided(row, Leased(), worker=incoming.worker) for row in rows]
    apply(connection, moves, now)
    attempts = {move.key: move.decision.node.attempt for move in moves}
    outcome.leased = _leased(connection, rows, attempts)


def _together(rows: Sequence[AnyRow], *, idle: bool) -> Sequence[AnyRow]:
    """Those of the rows that one worker may hold at a time."""
    lonely = [row for row in rows if row.losses >= ALONE_AFTER]
    return lonely[:1] if lonely and idle else [row for row in rows if row.losses < ALONE_AFTER]


def again(connection: Connection, keys: Sequence[int]) -> list[LeasedNode]:
    """Leases that were given before and have to be delivered once more, with the same attempts."""
    rows = [row for row in _LEASED.one(connection, {"keys": many(connection, keys)}) if NodeState(row.state).leased]
    return _leased(connection, rows, {row.key: row.attempt for row in rows})


def _leased(connection: Connection, rows: Sequence[AnyRow], attempts: dict[int, int]) -> list[LeasedNode]:
    outputs = parents_outputs(connection, [row.key for row in rows])
    return [
        LeasedNode(
            key=row.key,
            attempt=attempts[row.key],
            number=row.number,
            record=row.record,
            dispatch_id=row.dispatch_id,
            root_dispatch_id=row.root_id,
            project=row.project,
            requires=tuple(json.loads(row.requires)),
            env=row.env,
            outputs=outputs[row.key],
            alone=row.losses >= ALONE_AFTER,
        )
        for row in rows
    ]


def end_leases(connection: Connection, leases: Sequence[tuple[int, int]], how: LeaseEnd, now: float) -> Effects:
    """End leases without a completion, given as (node key, attempt)."""
    attempts = dict(leases)
    rows = _STATES.one(connection, {"keys": many(connection, attempts)})
    moves = [decided(row, LeaseEnded(attempt=attempts[row.key], how=how), ended_at=now) for row in rows]
    return apply(connection, moves, now)


def fail_pool(connection: Connection, pool: int, reason: str, now: float) -> Effects:
    """End ready nodes of a pool in which nothing can run: some of them, the next time others, until none is left."""
    rows = connection.execute(select(*STATE).where(node.c.pool == pool, IS_READY).limit(PIECE)).all()
    moves = [decided(row, PoolFailed(reason=reason), ended_at=now) for row in rows]
    return apply(connection, moves, now)
