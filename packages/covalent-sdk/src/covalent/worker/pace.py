"""How long tasks take, and what follows from it: how many leases to ask for, how many tasks to send ahead.

Pure: durations in, numbers out.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

#: A task shorter than this is tiny: the way to the runner and back counts.
TINY_SECONDS: Final = 0.005
#: Tiny tasks sent to a runner before the first of them is done.
AHEAD: Final = 16
#: Leases asked for at once.
LARGEST_BATCH: Final = 64
#: Work to have in hand for each slot, in seconds: some round trips to the server.
_IN_HAND_SECONDS: Final = 0.05
_KEPT: Final = 1024
_WEIGHT: Final = 0.3


class Pace:
    """Durations of recent tasks, by function and altogether, as exponentially weighted means."""

    def __init__(self) -> None:
        self._by_function: OrderedDict[str, float] = OrderedDict()
        self._all: float | None = None

    def record(self, function: str, seconds: float) -> None:
        """A task has taken this long."""
        self._by_function[function] = _mean(self._by_function.pop(function, None), seconds)
        if len(self._by_function) > _KEPT:
            self._by_function.popitem(last=False)
        self._all = _mean(self._all, seconds)

    def is_tiny(self, function: str) -> bool:
        """Whether this function's tasks are known to be tiny."""
        return self._by_function.get(function, TINY_SECONDS) < TINY_SECONDS

    def filling(self, seconds: float, *, least: int, most: int) -> int:
        """How many tasks fill so many seconds; ``least`` until one has ended."""
        return least if self._all is None else max(least, min(most, int(seconds / max(self._all, 1e-4))))

    def capacity(self, slots: int) -> int:
        """How many unfinished leases to hold: one per slot, and more when tasks are short."""
        if self._all is None or self._all >= TINY_SECONDS:
            return slots
        per_slot = _IN_HAND_SECONDS / max(self._all, 1e-4)
        return slots * max(1, min(LARGEST_BATCH, int(per_slot)))


def _mean(before: float | None, now: float) -> float:
    return now if before is None else before + _WEIGHT * (now - before)
