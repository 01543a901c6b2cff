"""Waking those who wait: held-back answers to polls and to clients that wait for a dispatch's end."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager


class Bell:
    """Events by key. Listen before looking, so that what happens in between is heard."""

    def __init__(self) -> None:
        self._listeners: dict[Hashable, set[asyncio.Event]] = {}

    @contextmanager
    def listen(self, key: Hashable) -> Iterator[asyncio.Event]:
        """An event that is set when the key rings."""
        event = asyncio.Event()
        listeners = self._listeners.setdefault(key, set())
        listeners.add(event)
        try:
            yield event
        finally:
            listeners.discard(event)
            if not listeners and self._listeners.get(key) is listeners:
                del self._listeners[key]

    def ring(self, keys: Iterable[Hashable]) -> None:
        """Wake all who listen to these keys."""
        for key in keys:
            for event in self._listeners.get(key, ()):
                event.set()

    def ring_all(self) -> None:
        """Wake everybody: the server is about to stop."""
        self.ring(list(self._listeners))


async def heard(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most so long; False when it did not come."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
