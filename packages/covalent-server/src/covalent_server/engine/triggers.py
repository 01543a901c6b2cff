"""Triggers as they are taken in: checked, with the time of their first firing, and what looks at a directory."""

from __future__ import annotations

import functools
import uuid
from datetime import tzinfo
from typing import Final

from covalent.errors import WireError
from covalent.wire import codec
from covalent.wire.manifest import Metadata, Node
from covalent.wire.triggers import FEATURE, Directory, Trigger
from covalent_server.core import schedules
from covalent_server.core import triggers as terms
from covalent_server.core.schedules import Cron, Every, Schedule
from covalent_server.db.dispatches import NewDispatch, NewNode, Place
from covalent_server.db.triggers import NewTrigger, Pending
from covalent_server.executors.registry import LOCAL, OBSERVER, Machine, place_of

#: The one node of a dispatch that looks at a directory.
_NUMBER: Final = 0


def check_id(trigger_id: str) -> None:
    """Refuse what cannot be the id of a trigger that a client has made up."""
    try:
        good = str(uuid.UUID(trigger_id)) == trigger_id
    except ValueError:
        good = False
    if not good:
        raise WireError("expected a UUID such as 6f1c2d3e-...", path="trigger_id")


def declared(trigger: Trigger, path: str, *, here: Machine, at: float, trigger_id: str | None = None) -> NewTrigger:
    """A trigger as it is written, its time reckoned from ``at`` on; raises WireError or RequestError at a fault."""
    terms.check(trigger, path)
    mentions: dict[str, str] = {}
    timing = schedules.Timing(since=at, due_at=at)
    if trigger.directory is None:
        timing = _begun(trigger, path, at)
    else:
        inside = f"{path}.directory"
        place_of(_metadata(trigger.directory), inside, here)
        mentions = {trigger.directory.function: f"{inside}.function", trigger.directory.seen: f"{inside}.seen"}
    return NewTrigger(
        id=trigger_id or str(uuid.uuid4()),
        terms=codec.dumps(trigger).decode(),
        since=timing.since,
        due_at=timing.due_at,
        seen=None if trigger.directory is None else trigger.directory.seen,
        mentions=mentions,
    )


def _begun(trigger: Trigger, path: str, at: float) -> schedules.Timing:
    try:
        return schedules.begin(schedule_of(trigger), at)
    except WireError as error:
        raise WireError(error.message, path=f"{path}.timetable") from None


def schedule_of(trigger: Trigger) -> Schedule:
    """What the time of a trigger's firings follows from."""
    if trigger.clock is not None:
        return Every(gap=trigger.clock.gap)
    if trigger.timetable is None:
        raise WireError("a directory has no schedule")
    return Cron(expression=trigger.timetable.expression, zone=_zone(trigger.timetable.timezone))


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - in memory only where something goes by a timetable

    # Looked up among those that there are: a name from outside opens no file.
    if name not in _zones():
        raise WireError(f"{name!r} is no time zone; write one such as 'Europe/Berlin' or 'UTC'")
    return ZoneInfo(name)


@functools.cache
def _zones() -> frozenset[str]:
    from zoneinfo import available_timezones  # noqa: PLC0415 - as above

    return frozenset(available_timezones())


def observer(item: Pending, directory: Directory) -> NewDispatch:
    """The dispatch, which no user sees, whose one task looks at a trigger's directory until there is something new."""
    seen = item.seen or directory.seen
    node = Node(
        id=_NUMBER,
        name="observe",
        function=directory.function,
        args=(
            {"value": directory.path},
            {"list": [{"value": str(change)} for change in directory.changes]},
            {"value": directory.batch_size},
            {"value": directory.recursive},
            {"asset": seen},
        ),
        metadata=_metadata(directory),
    )
    return NewDispatch(
        id=str(uuid.uuid4()),
        owner=item.owner,
        name="observe",
        manifest="{}",
        requires=(FEATURE,),
        project=None,
        output_node=_NUMBER,
        result=None,
        nodes=[
            NewNode(
                number=_NUMBER,
                record=codec.dumps(node).decode(),
                place=Place(executor=OBSERVER, place=str(directory.executor_data["python"])),
                remaining=0,
            )
        ],
        links=(),
        mentions={directory.function: "function", seen: "seen"},
        assets=(),
        idempotency_key=None,
        body_digest="",
        observes=item.key,
    )


def _metadata(directory: Directory) -> Metadata:
    return Metadata(executor=LOCAL, executor_data=directory.executor_data)
