"""When a trigger fires: the next time after a time, and what to do about times that were missed.

Times are seconds since the epoch, UTC; a timetable is read in its own time zone. Three rules:

1. Times that were missed, because the server was away or its clock was set forward, fire once, late; from there on it
   goes as usual.
2. A clock that is set back delays the next firing by one interval at most, and never repeats one for a small step.
3. The next firing lies after the moment that it is reckoned from, whatever daylight saving does: a time that a day
   does not have comes as soon as the gap is over, and one that a day has twice comes the first time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo

from covalent.errors import WireError


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Again and again."""

    #: Seconds.
    gap: float

    def after(self, moment: float) -> float:
        """The next time after a moment."""
        return moment + self.gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """At the times of a cron expression in a time zone."""

    expression: str
    zone: tzinfo

    def after(self, moment: float) -> float:
        """The next time after a moment; raises WireError for an expression that is none, or whose time never comes."""
        # In the hour that a day has twice, what comes next by the face of the clock may be over.
        times = (time.timestamp() for time in self._times(moment))
        found = next((time for time in times if time > moment), None)
        if found is None:
            raise WireError(f"the time of the cron expression {self.expression!r} never comes")
        return found

    def _times(self, moment: float) -> Iterator[datetime]:
        from cronsim import CronSim, CronSimError  # noqa: PLC0415 - in memory only where something goes by a timetable

        if len(self.expression.split()) != 5:
            raise WireError(
                "a cron expression has five fields: minute, hour, day of the month, month, day of the week; "
                f"{self.expression!r} has not"
            )
        try:
            return CronSim(self.expression, datetime.fromtimestamp(moment, self.zone))
        except (CronSimError, ValueError) as error:
            raise WireError(f"{self.expression!r} is no cron expression: {error}") from None


Schedule = Every | Cron


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The next firing, and the time that it was reckoned from: one interval."""

    since: float
    due_at: float

    @property
    def earliest(self) -> float:
        """A clock that shows less than this was set back by more than an interval."""
        return 2 * self.since - self.due_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Somebody looked at the clock."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether it fires now, and the timing from here on."""

    timing: Timing
    fires: bool = False


def begin(schedule: Schedule, at: float) -> Timing:
    """The first firing."""
    return Timing(since=at, due_at=schedule.after(at))


def decide(schedule: Schedule, timing: Timing, event: Looked) -> Decision:
    """What follows from a look at the clock."""
    if event.at < timing.earliest:
        return Decision(timing=begin(schedule, event.at))
    if event.at < timing.due_at:
        return Decision(timing=timing)
    # On time, the next firing is reckoned from this one's own time, so that delays do not add up.
    on_time = begin(schedule, timing.due_at)
    late = on_time.due_at <= event.at
    return Decision(timing=begin(schedule, event.at) if late else on_time, fires=True)
