"""What was done to processes, as those note it who do it: the processes themselves, or the campaign."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What was done to a process, and when, by the clock that all processes of the machine share."""

    #: The number of an armed point; 0 for what was done from outside.
    number: int
    point: str
    pid: int
    role: str
    at: float
