"""A loop that waits for descriptors, couriers and timers.

Couriers only carry messages; what they bring is handled in the loop.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import time
from collections.abc import Callable

from covalent.worker.couriers import Mailbox


class Loop:
    """What one thread waits for. All but the mailbox's ``post`` belongs to that thread."""

    def __init__(self) -> None:
        #: What is registered has for its data the call to be made when there is something to read or room to write.
        self.selector = selectors.DefaultSelector()
        self.mailbox = Mailbox()
        self.selector.register(self.mailbox, selectors.EVENT_READ, self.mailbox.open)
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Make a call after some seconds."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._count), call))

    def turn(self, longest: float) -> bool:
        """Wait for at most so many seconds, then do what is due; whether anything but a timer was."""
        if self._timers:
            longest = min(longest, max(0.0, self._timers[0][0] - time.monotonic()))
        events = self.selector.select(longest)
        for key, _ in events:
            key.data()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        return bool(events)
