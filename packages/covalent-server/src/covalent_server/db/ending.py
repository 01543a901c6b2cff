"""What users end themselves: they cancel a dispatch or some of its nodes, or bring the value that was left to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, Float, bindparam, insert, literal, or_, select, text, update

from covalent.status import Status
from covalent_server.core.errors import EndedDispatchError, ForeignAssetError, UnknownDispatchError, UnknownNodeError
from covalent_server.core.events import CancelRequested, Concluded
from covalent_server.core.states import NodeState
from covalent_server.db import AnyRow, assets, triggers
from covalent_server.db.consequences import apply, finish
from covalent_server.db.dialect import Within, many
from covalent_server.db.moves import STATE, Effects, count, decided
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import IS_LEASED, IS_SUSPENDED, dispatch, event, node

_ROW = (*STATE, node.c.number, node.c.started_at)
#: Sublattices that nobody waits for any more. One that is still being written finds that out at its end.
_INSIDE = Prepared(
    select(dispatch.c.key).where(
        Within(dispatch.c.parent, "parents"), dispatch.c.complete == 1, dispatch.c.ended_at.is_(None)
    )
)
#: What somebody or something else than the server has to do with, of all nodes of some dispatches.
_BUSY = Prepared(select(*_ROW).where(Within(node.c.dispatch, "dispatches"), or_(IS_LEASED, IS_SUSPENDED)))
#: All the others that are open. There may be very many, and all become the same: see :func:`_sweep`.
_idle = (Within(node.c.dispatch, "dispatches"), text("node.state in ('WAITING', 'READY')"))
_NOTE_IDLE = Prepared(
    insert(event).from_select(
        ["at", "kind", "dispatch", "node", "attempt"],
        select(bindparam("now", type_=Float), literal("node.cancelled"), node.c.dispatch, node.c.key, node.c.attempt)
        .where(*_idle)
        .order_by(node.c.key),
    )
)
_CANCEL_IDLE = Prepared(
    update(node)
    .where(*_idle)
    .values(state=NodeState.CANCELLED, fenced=node.c.attempt, ended_at=bindparam("now"))
    .returning(node.c.key, node.c.dispatch)
)


def cancel(
    connection: Connection, owner: str, dispatch_id: str, numbers: Collection[int] | None, now: float
) -> Effects:
    """End a dispatch, or some of its nodes; what has ended already stays as it is."""
    row = _owned(connection, owner, dispatch_id)
    whole = [row.key] if numbers is None else []
    found = _busy(connection, whole) if numbers is None else _nodes(connection, row.key, dispatch_id, numbers)
    open_nodes = list(found)
    # A sublattice ends with its node: all that is open in it, however deep.
    while nested := [item.key for item in found if item.state == NodeState.DISPATCHING]:
        inside = _INSIDE.one(connection, {"parents": many(connection, nested)}).scalars()
        whole += inside
        found = _busy(connection, inside)
        open_nodes += found
    effects, emptied = _sweep(connection, whole, now)
    moves = [decided(item, CancelRequested(), started_at=item.started_at, ended_at=now) for item in open_nodes]
    effects.include(apply(connection, moves, now))
    for key in emptied:
        effects.include(finish(connection, key, now))
    if numbers is None:
        if row.id not in effects.ended:
            effects.include(_end(connection, row, now))
        if row.started_at is None:  # what was to start it is to leave it alone
            effects.include(triggers.stop_those_of(connection, row.key, now))
    return effects


def _busy(connection: Connection, dispatches: Sequence[int]) -> Sequence[AnyRow]:
    return _BUSY.one(connection, {"dispatches": many(connection, dispatches)}).all() if dispatches else []


def _sweep(connection: Connection, dispatches: Sequence[int], now: float) -> tuple[Effects, list[int]]:
    """Cancel the nodes of whole dispatches that nobody has to do with; also the dispatches that have no other left.

    They are not decided one by one: ``core`` says the same of each of them, which a test holds against this.
    """
    where = {"dispatches": many(connection, dispatches), "now": now}
    _NOTE_IDLE.one(connection, where)
    swept = _CANCEL_IDLE.one(connection, where).all()
    cancelled = Counter(row.dispatch for row in swept)
    emptied = [
        key
        for key, number in cancelled.items()
        if not count(connection, key, ended=number, cancelled=number).unfinished
    ]
    return Effects(settled={row.key for row in swept}), emptied


def _owned(connection: Connection, owner: str, dispatch_id: str) -> AnyRow:
    row = connection.execute(
        select(dispatch).where(dispatch.c.owner == owner, dispatch.c.id == dispatch_id, dispatch.c.complete == 1)
    ).one_or_none()
    if row is None:
        raise UnknownDispatchError(dispatch_id)
    return row


def _nodes(connection: Connection, key: int, dispatch_id: str, numbers: Collection[int]) -> Sequence[AnyRow]:
    known = {row.number: row for row in connection.execute(select(*_ROW).where(node.c.dispatch == key))}
    for number in numbers:
        if number not in known:
            raise UnknownNodeError(dispatch_id, number)
    return [known[number] for number in dict.fromkeys(numbers)]


def _end(connection: Connection, row: AnyRow, now: float) -> Effects:
    """End a dispatch none of whose nodes a worker or a sublattice has to end: one that waits for its client, say."""
    ended = connection.execute(
        update(dispatch)
        .where(dispatch.c.key == row.key, dispatch.c.ended_at.is_(None))
        .values(status=Status.CANCELLED, ended_at=now)
    )
    if not ended.rowcount:
        return Effects()
    connection.execute(insert(event).values(at=now, kind="dispatch.cancelled", dispatch=row.key))
    return Effects(ended={row.id})


def conclude(
    connection: Connection, owner: str, dispatch_id: str, result: str, new: Sequence[assets.NewAsset], now: float
) -> Effects:
    """Take the return value that the client put together; raises EndedDispatchError when none is waited for."""
    row = _owned(connection, owner, dispatch_id)
    if row.status != Status.PENDING_POSTPROCESSING:
        raise EndedDispatchError(dispatch_id, row.status)
    assets.store(connection, owner, new, now)
    if assets.claim(connection, owner, [result], now):
        raise ForeignAssetError([result], "result")
    left = connection.execute(select(*_ROW).where(node.c.dispatch == row.key, node.c.number == row.output_node)).one()
    # It counts among the nodes that are to end from now on.
    connection.execute(update(dispatch).where(dispatch.c.key == row.key).values(unfinished=dispatch.c.unfinished + 1))
    move = decided(left, Concluded(), output=result, started_at=now, ended_at=now)
    return apply(connection, [move], now)
