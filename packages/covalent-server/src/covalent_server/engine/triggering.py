"""Triggers at work: whatever is due fires, and directories are looked at.

A firing is one transaction: the dispatch that comes of it becomes visible, or starts, and the trigger moves on to its
next time. So a server that is killed has either both or none, and goes on where it was.

A directory is looked at by a task, in the environment in which its trigger was made, that ends as soon as something
has happened. Its completion is the firing, and what it gives is what the next look compares with: nothing is missed
in between, nor while server or worker are away. Of what it gives the server reads the type that it claims to have.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

from covalent.errors import WireError
from covalent.status import Status
from covalent.wire.triggers import Trigger
from covalent_server.core.errors import ObsoleteFiringError, RequestError
from covalent_server.core.schedules import Decision, Looked, Timing, decide
from covalent_server.db import dispatches, reads, triggers
from covalent_server.db.moves import Effects
from covalent_server.engine.bell import heard
from covalent_server.engine.repeating import repetition
from covalent_server.engine.shared import Shared, log, now, surviving
from covalent_server.engine.submission import NO_USERS_KEY, Submission
from covalent_server.engine.triggers import observer, schedule_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from covalent_server.db import Session
    from covalent_server.db.triggers import Observation, Pending, Turn

_TRIGGER: Final = msgspec.json.Decoder(Trigger)
#: Seconds between two looks at the clock at most: it may be set meanwhile.
_LOOK_SECONDS: Final = 1.0
#: Seconds before a directory is looked at again when that failed.
RETRY_SECONDS: Final = 10.0
#: The types of what a look at a directory gives: something has happened; or it has, but not yet enough.
_FIRED: Final = "covalent.observer.Fired"
_STIRRED: Final = "covalent.observer.Stirred"


async def watch(shared: Shared, submit: Callable[[Submission], Awaitable[str]]) -> None:
    """Let triggers fire for as long as the engine runs."""
    triggering = Triggering(shared, submit)
    while True:
        shared.triggers.clear()
        await surviving(triggering.all_that_are_due)
        await surviving(triggering.until_the_next)


class Triggering:
    """Looks at triggers."""

    def __init__(self, shared: Shared, submit: Callable[[Submission], Awaitable[str]]) -> None:
        self._shared = shared
        self._submit = submit

    async def all_that_are_due(self) -> None:
        """Every trigger whose time has come, or whose directory has been looked at."""
        at = now()
        for item in await self._shared.read(lambda session: triggers.pending(session, at)):
            await surviving(lambda item=item: self._one(item, at))  # type: ignore[misc]

    async def until_the_next(self) -> None:
        """Wait until a trigger is due or somebody rings."""
        soonest = await self._shared.read(triggers.soonest)
        left = _LOOK_SECONDS if soonest is None else soonest - now()
        # What could not be done when it was due is not tried again at once.
        await heard(self._shared.triggers, min(left, _LOOK_SECONDS) if left > 0 else _LOOK_SECONDS)

    async def _one(self, item: Pending, at: float) -> None:
        trigger = _TRIGGER.decode(item.terms)
        if trigger.directory is None:
            decision = await asyncio.to_thread(_decided, item, trigger, at)
            turn = _turn(item, decision.timing)
            await (self._fire(item, turn) if decision.fires else self._move_on(turn))
        elif item.observation is None:
            await self._observe(item, observer(item, trigger.directory))
        else:
            turn = _seen(item, item.observation, at)
            fires = item.observation.status is Status.COMPLETED and item.observation.type_name == _FIRED
            await (self._fire(item, turn) if fires else self._move_on(turn))
            self._shared.triggers.set()  # it is to be looked at again

    async def _observe(self, item: Pending, new: dispatches.NewDispatch) -> None:
        """Let a worker look at the trigger's directory."""
        try:
            self._shared.tell(await self._shared.write(lambda session: _begin_to_look(session, item, new)))
        except RequestError as error:
            await self._move_on(_failed(_turn(item, Timing(since=now(), due_at=now())), error))

    async def _fire(self, item: Pending, turn: Turn) -> None:
        """Start the trigger's dispatch, or another one like it."""
        try:
            if item.unstarted:
                self._shared.tell(await self._shared.write(lambda session: _start(session, item, turn)))
            else:
                await self._submit(await self._again(item, turn))
        except ObsoleteFiringError:
            log.info("a trigger was stopped while it fired", extra={"trigger": item.id})
        except (WireError, RequestError) as error:
            log.warning("a trigger could not start its workflow", extra={"trigger": item.id, "error": str(error)})
            # What was seen in a directory is seen once more, later.
            await self._move_on(_failed(replace(turn, seen=None), error))
        else:
            log.info("a trigger fired", extra={"trigger": item.id, "firing": turn.firings + 1})

    async def _move_on(self, turn: Turn) -> None:
        await self._shared.write(lambda session: triggers.take(session, turn, now()))

    async def _again(self, item: Pending, turn: Turn) -> Submission:
        text = await self._shared.read(lambda session: reads.manifest(session, item.owner, item.dispatch_id))
        # Not its key, which a later trigger may be given once this one is purged.
        key = f"{NO_USERS_KEY}trigger {item.id}.{turn.firings + 1}"
        return await asyncio.to_thread(
            repetition, text, owner=item.owner, dispatch_id=item.dispatch_id, idempotency_key=key, turn=turn
        )


def _turn(item: Pending, timing: Timing) -> Turn:
    return triggers.Turn(key=item.key, firings=item.firings, since=timing.since, due_at=timing.due_at)


def _failed(turn: Turn, error: Exception) -> Turn:
    return replace(turn, error=str(error), due_at=max(turn.due_at, now() + RETRY_SECONDS))


def _decided(item: Pending, trigger: Trigger, at: float) -> Decision:
    # Time zones are read from files, so this runs in a thread.
    timing = Timing(since=item.since, due_at=item.since if item.due_at is None else item.due_at)
    return decide(schedule_of(trigger), timing, Looked(at=at))


def _seen(item: Pending, observation: Observation, at: float) -> Turn:
    """What follows for a trigger from a look at its directory."""
    turn = _turn(item, Timing(since=at, due_at=at))
    if observation.status is not Status.COMPLETED:
        error = observation.error or "looking at the directory was stopped"
        return replace(turn, error=error, due_at=at + RETRY_SECONDS)
    return replace(turn, seen=observation.output) if observation.type_name in (_FIRED, _STIRRED) else turn


def _begin_to_look(session: Session, item: Pending, new: dispatches.NewDispatch) -> Effects:
    if not triggers.unobserved(session, item.key):
        return Effects()
    begun = dispatches.begin(session, new, now())
    dispatches.add_nodes(session, begun, new, 0, len(new.nodes))
    triggers.observe(session, item.key, begun.key)
    return dispatches.release(session, begun, new, now())


def _start(session: Session, item: Pending, turn: Turn) -> Effects:
    if not triggers.take(session, turn, now(), fired=item.dispatch):
        raise ObsoleteFiringError
    return dispatches.start(session, item.dispatch, now())
