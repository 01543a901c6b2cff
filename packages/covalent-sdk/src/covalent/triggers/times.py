"""Triggers that fire at times."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from covalent.triggers import crontab
from covalent.triggers.declared import Prepared, Trigger
from covalent.wire import triggers as wire
from covalent.wire.triggers import LEAST_GAP, MOST_GAP


@dataclass
class TimeTrigger(Trigger):
    """Starts the workflow every ``time_gap`` seconds, the first time one gap after it was dispatched."""

    time_gap: float
    lattice_dispatch_id: str | None = None
    dispatcher_addr: str | None = None
    triggers_server_addr: str | None = None

    def check(self) -> None:
        """Raise TypeError or ValueError for what is no gap."""
        _check_gap(self.time_gap)

    def prepared(self) -> Prepared:
        """What is sent of it."""
        self.check()
        return Prepared(record=wire.Trigger(clock=wire.Clock(gap=float(self.time_gap))))


@dataclass
class CronTrigger(Trigger):
    """Starts the workflow at the times of a cron expression, by the clocks of a time zone.

    ``cron`` has five fields: minute, hour, day of the month, month, day of the week. A time that a day does not have,
    when clocks are set forward, comes as soon as the gap is over; one that a day has twice comes the first time.
    """

    cron: str
    timezone: str = "UTC"
    lattice_dispatch_id: str | None = None
    dispatcher_addr: str | None = None
    triggers_server_addr: str | None = None

    def check(self) -> None:
        """Raise TypeError or ValueError for what is no cron expression or no time zone."""
        crontab.check(self.cron)
        _check_zone(self.timezone)

    def prepared(self) -> Prepared:
        """What is sent of it."""
        self.check()
        return Prepared(
            record=wire.Trigger(timetable=wire.Timetable(expression=self.cron.strip(), timezone=self.timezone))
        )


def _check_gap(gap: object) -> None:
    if not isinstance(gap, (int, float)) or isinstance(gap, bool):
        raise TypeError(f"time_gap is a number of seconds, not {gap!r}")
    if not LEAST_GAP <= gap <= MOST_GAP:
        raise ValueError(f"time_gap is a number of seconds from {LEAST_GAP} to {MOST_GAP:g}, not {gap!r}")


def _check_zone(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"timezone is the name of a time zone such as 'Europe/Berlin', not {name!r}")
    known = _zones()
    if not known or name in known:  # a machine that knows none leaves it to the server
        return
    import difflib  # noqa: PLC0415 - slow to load, and only an error needs it

    near = difflib.get_close_matches(name, sorted(known), 1)
    meant = f"; did you mean {near[0]!r}?" if near else "; write one such as 'Europe/Berlin' or 'UTC'"
    raise ValueError(f"timezone={name!r} is no time zone{meant}")


@functools.cache
def _zones() -> frozenset[str]:
    import zoneinfo  # noqa: PLC0415 - only timetables need it

    return frozenset(zoneinfo.available_timezones())
