"""What starts a registered workflow by itself, and what a server tells of it.

A trigger comes with the manifest of its workflow or is registered for a dispatch that is there. Each of its firings
is one dispatch: the first starts the registered one, if that has never run, and each other repeats it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

#: Seconds between two firings of a clock.
LEAST_GAP: Final = 0.1
MOST_GAP: Final = 1e9
#: Changes that one firing of a directory may wait for.
MOST_CHANGES: Final = 1_000_000
#: The feature that a server needs for all this, and a worker for looking at a directory.
FEATURE: Final = "triggers"


class Change(StrEnum):
    """What can happen in a directory."""

    #: A file or directory appeared.
    CREATED = "created"
    #: A file was written to, a new one included; or it was replaced by another.
    MODIFIED = "modified"
    #: A file or directory is gone.
    DELETED = "deleted"
    #: A file or directory has another name, within what is looked at.
    MOVED = "moved"
    #: A file that was created or modified has been left alone since.
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Fires again and again."""

    #: Seconds from one firing to the next, and from the registration to the first.
    gap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """Fires at the times of a cron expression."""

    #: Five fields: minute, hour, day of the month, month, day of the week.
    expression: str
    #: The name of the time zone in which they are meant.
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Fires when things have changed in a directory. A worker looks at it; the server never does."""

    path: str
    changes: tuple[Change, ...]
    #: How many changes make one firing.
    batch_size: int = 1
    #: Whether what lies in its directories counts, too.
    recursive: bool = False
    #: The digest of the function that looks, and of what there was to see when the trigger was made.
    function: str
    seen: str
    #: The attributes of the local executor that says where it looks.
    executor_data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """When a workflow is started: one of the three."""

    clock: Clock | None = None
    timetable: Timetable | None = None
    directory: Directory | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A trigger for a dispatch that is there already."""

    #: Chosen by the client, so that the same registration can be sent again.
    trigger_id: str
    dispatch_id: str
    trigger: Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRecord:
    """How a trigger stands."""

    trigger_id: str
    #: The dispatch that it starts, and then repeats.
    dispatch_id: str
    #: That dispatch's name.
    name: str
    trigger: Trigger
    created_at: float
    #: When it was stopped, None while it is active.
    stopped_at: float | None = None
    #: When it fires next, or when a directory is looked at again; None for one that is being looked at.
    due_at: float | None = None
    #: How often it has fired, when last, and which dispatch came of that.
    firings: int = 0
    fired_at: float | None = None
    last_dispatch_id: str | None = None
    #: What went wrong since.
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerList:
    """Several of them."""

    triggers: tuple[TriggerRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerStop:
    """Which triggers are to fire no more."""

    #: Of triggers, or of dispatches, which stand for all of their triggers.
    ids: tuple[str, ...]
