"""Triggers: kept, found when they are due, moved on with every firing, and stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select, update

from covalent.status import Status
from covalent.wire.codec import from_json
from covalent.wire.triggers import Trigger, TriggerRecord
from covalent_server.core.errors import ForeignAssetError, UnknownDispatchError, UnknownTriggerError
from covalent_server.db import AnyRow, assets
from covalent_server.db.dialect import Within, many
from covalent_server.db.moves import Effects
from covalent_server.db.removing import remove
from covalent_server.db.tables import asset, dispatch, node, trigger

#: Characters of an error that are kept.
_MAX_ERROR: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTrigger:
    """A trigger to be written; everything in it has been checked but the ownership of assets."""

    id: str
    #: The JSON of a :class:`covalent.wire.triggers.Trigger`.
    terms: str
    since: float
    due_at: float
    #: What its directory looked like when it was made, as a digest.
    seen: str | None = None
    #: The digests that it names, with the path of their first mention.
    mentions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What came of looking at a directory."""

    status: Status
    #: What there was to see, as a digest, and the type that it claims to have.
    output: str | None
    type_name: str
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A trigger that is to be looked at."""

    key: int
    id: str
    owner: str
    dispatch: int
    dispatch_id: str
    #: Whether its dispatch has never been started, so that the first firing starts it.
    unstarted: bool
    terms: str
    since: float
    due_at: float | None
    firings: int
    seen: str | None
    #: What its observer saw, None for one that has none.
    observation: Observation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """How a trigger goes on after it was looked at."""

    key: int
    #: How often it had fired when that was decided: a turn is taken once.
    firings: int
    since: float
    due_at: float
    seen: str | None = None
    error: str | None = None


def add(connection: Connection, owner: str, dispatch_key: int, new: Sequence[NewTrigger], now: float) -> None:
    """Write the triggers of a dispatch."""
    for item in new:
        absent = assets.claim(connection, owner, item.mentions, now)
        if absent:
            raise ForeignAssetError(absent, item.mentions[absent[0]])
        connection.execute(
            insert(trigger).values(
                id=item.id,
                owner=owner,
                dispatch=dispatch_key,
                terms=item.terms,
                created_at=now,
                since=item.since,
                due_at=item.due_at,
                seen=item.seen,
            )
        )


def register(connection: Connection, owner: str, dispatch_id: str, new: NewTrigger, now: float) -> None:
    """Write a trigger for a dispatch that is there; the same registration again changes nothing."""
    known = connection.execute(
        select(trigger.c.owner, dispatch.c.id)
        .join(dispatch, dispatch.c.key == trigger.c.dispatch)
        .where(trigger.c.id == new.id)
    ).one_or_none()
    if known is not None and tuple(known) == (owner, dispatch_id):
        return
    key = connection.execute(
        select(dispatch.c.key).where(
            dispatch.c.owner == owner,
            dispatch.c.id == dispatch_id,
            dispatch.c.complete == 1,
            dispatch.c.parent.is_(None),
            dispatch.c.observes.is_(None),
        )
    ).scalar()
    if key is None or known is not None:
        raise UnknownDispatchError(dispatch_id)
    add(connection, owner, key, [new], now)


_observer = dispatch.alias("observer")
_look = node.alias("look")
_ACTIVE: Final = trigger.c.stopped_at.is_(None)
_PENDING: Final = (
    select(
        trigger,
        dispatch.c.id.label("dispatch_id"),
        dispatch.c.status,
        _observer.c.status.label("observed"),
        _look.c.output,
        _look.c.error.label("look_error"),
        asset.c.preview,
    )
    .join(dispatch, dispatch.c.key == trigger.c.dispatch)
    .outerjoin(_observer, _observer.c.key == trigger.c.observer)
    .outerjoin(_look, _look.c.dispatch == _observer.c.key)
    .outerjoin(asset, asset.c.digest == _look.c.output)
    .order_by(trigger.c.due_at, trigger.c.key)
)


def pending(connection: Connection, now: float) -> list[Pending]:
    """Those that are due or whose observer has ended; also those that seem far off because the clock was set back."""
    due = and_(trigger.c.observer.is_(None), trigger.c.due_at <= now)
    set_back = 2 * trigger.c.since - trigger.c.due_at > now
    rows = connection.execute(_PENDING.where(_ACTIVE, or_(due, set_back, _observer.c.ended_at.is_not(None))))
    return [_pending(row) for row in rows]


def _pending(row: AnyRow) -> Pending:
    observation = None
    if row.observed is not None:
        observation = Observation(
            status=Status(row.observed),
            output=row.output,
            type_name="" if row.preview is None else json.loads(row.preview)["type_name"],
            error=row.look_error,
        )
    return Pending(
        key=row.key,
        id=row.id,
        owner=row.owner,
        dispatch=row.dispatch,
        dispatch_id=row.dispatch_id,
        unstarted=row.status == Status.NEW_OBJECT,
        terms=row.terms,
        since=row.since,
        due_at=row.due_at,
        firings=row.firings,
        seen=row.seen,
        observation=observation,
    )


def soonest(connection: Connection) -> float | None:
    """When the next of them is due."""
    due: float | None = connection.execute(select(func.min(trigger.c.due_at)).where(_ACTIVE)).scalar()
    return due


def stands(connection: Connection, turn: Turn) -> bool:
    """Whether a turn can be taken: it was not before, and its trigger has not been stopped."""
    return connection.execute(select(trigger.c.key).where(*_before(turn))).scalar() is not None


def _before(turn: Turn) -> tuple[ColumnElement[bool], ...]:
    return trigger.c.key == turn.key, trigger.c.firings == turn.firings, _ACTIVE


def take(connection: Connection, turn: Turn, now: float, *, fired: int | None = None) -> bool:
    """Let a trigger go on, when it has fired with the key of the dispatch that this gave; False for a turn too late.

    Who looked at its directory is done, and goes.
    """
    row = connection.execute(select(trigger.c.observer, trigger.c.seen).where(*_before(turn))).one_or_none()
    if row is None:
        return False
    remove(connection, [] if row.observer is None else [row.observer])
    values = {
        "since": turn.since,
        "due_at": turn.due_at,
        "observer": None,
        "seen": turn.seen or row.seen,
        "error": turn.error and turn.error[-_MAX_ERROR:],
    }
    if fired is not None:
        values |= {"firings": turn.firings + 1, "fired_at": now, "last": fired}
    connection.execute(update(trigger).where(trigger.c.key == turn.key).values(values))
    return True


def observe(connection: Connection, key: int, observer: int) -> None:
    """Note which dispatch looks at a trigger's directory from now on."""
    connection.execute(update(trigger).where(trigger.c.key == key).values(observer=observer, due_at=None))


def unobserved(connection: Connection, key: int) -> bool:
    """Whether a trigger is active and nobody looks at its directory."""
    statement = select(trigger.c.key).where(trigger.c.key == key, trigger.c.observer.is_(None), _ACTIVE)
    return connection.execute(statement).scalar() is not None


def stop(connection: Connection, owner: str, ids: Sequence[str], now: float) -> tuple[list[str], Effects]:
    """Let triggers fire no more, given by their own ids or by those of their dispatches; which these were."""
    rows = connection.execute(
        select(
            trigger.c.key, trigger.c.id, trigger.c.observer, trigger.c.stopped_at, dispatch.c.id.label("dispatch_id")
        )
        .join(dispatch, dispatch.c.key == trigger.c.dispatch)
        .where(
            trigger.c.owner == owner,
            or_(Within(trigger.c.id, "ids"), Within(dispatch.c.id, "ids")),
        )
        .order_by(trigger.c.key),
        {"ids": many(connection, ids)},
    ).all()
    known = {name for row in rows for name in (row.id, row.dispatch_id)}
    for name in ids:
        if name not in known:
            raise UnknownTriggerError(name)
    return [row.id for row in rows], _stop(connection, rows, now)


def stop_those_of(connection: Connection, dispatch_key: int, now: float) -> Effects:
    """Let the triggers of a dispatch fire no more."""
    rows = connection.execute(select(trigger).where(trigger.c.dispatch == dispatch_key)).all()
    return _stop(connection, rows, now)


def _stop(connection: Connection, rows: Sequence[AnyRow], now: float) -> Effects:
    active = [row for row in rows if row.stopped_at is None]
    connection.execute(
        update(trigger)
        .where(trigger.c.key.in_([row.key for row in active]))
        .values(stopped_at=now, due_at=None, observer=None)
    )
    # Whoever looks at a directory is told that nobody wants to know.
    return Effects(settled=remove(connection, [row.observer for row in active if row.observer is not None]))


_last = dispatch.alias("last")


def records(
    connection: Connection, owner: str, *, ids: Sequence[str] | None = None, stopped: bool = True
) -> tuple[TriggerRecord, ...]:
    """How the owner's triggers stand, in the order in which they were made: those of some ids, or all."""
    statement = (
        select(
            trigger,
            dispatch.c.id.label("dispatch_id"),
            dispatch.c.name,
            _last.c.id.label("last_id"),
        )
        .join(dispatch, dispatch.c.key == trigger.c.dispatch)
        .outerjoin(_last, _last.c.key == trigger.c.last)
        .where(trigger.c.owner == owner)
        .order_by(trigger.c.key)
    )
    if ids is not None:
        statement = statement.where(trigger.c.id.in_(ids))
    if not stopped:
        statement = statement.where(_ACTIVE)
    return tuple(_record(row) for row in connection.execute(statement))


def _record(row: AnyRow) -> TriggerRecord:
    return TriggerRecord(
        trigger_id=row.id,
        dispatch_id=row.dispatch_id,
        name=row.name,
        trigger=from_json(Trigger, json.loads(row.terms)),
        created_at=row.created_at,
        stopped_at=row.stopped_at,
        due_at=row.due_at,
        firings=row.firings,
        fired_at=row.fired_at,
        last_dispatch_id=row.last_id,
        error=row.error,
    )
