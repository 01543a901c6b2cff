"""Threads that wait for the network, so that the loop never does, and the mailbox where they leave what came back."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox:
    """Calls to be made by the loop's thread; writing to it wakes the loop."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()
        self._reading, self.waking = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._reading

    def post(self, call: Callable[[], None]) -> None:
        """Have the loop's thread make a call."""
        self._calls.append(call)
        with suppress(BlockingIOError):  # full of wake-ups already
            os.write(self.waking, b"\0")

    def open(self) -> None:
        """Make the calls that have been posted."""
        with suppress(BlockingIOError):
            os.read(self._reading, 4096)
        while self._calls:
            self._calls.popleft()()


class Courier(Generic[T]):
    """A thread that makes one errand after the other and reports each to the loop."""

    def __init__(self, name: str, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._errands: queue.SimpleQueue[tuple[Callable[[], T], Callable[[T], None], Callable[[Exception], None]]]
        self._errands = queue.SimpleQueue()
        #: Errands that are not reported yet; read and written by the loop alone.
        self.pending = 0
        threading.Thread(target=self._run, name=name, daemon=True).start()

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do."""
        return not self.pending

    def send(self, errand: Callable[[], T], done: Callable[[T], None], failed: Callable[[Exception], None]) -> None:
        """Make an errand in the thread, then ``done`` or ``failed`` in the loop."""
        self.pending += 1
        self._errands.put((errand, done, failed))

    def _run(self) -> None:
        while True:
            errand, done, failed = self._errands.get()
            try:
                result = errand()
            except Exception as error:  # noqa: BLE001  an errand that is never reported would be waited for forever
                self._report(failed, error)
            else:
                self._report(done, result)

    def _report(self, call: Callable[..., None], argument: object) -> None:
        def reported() -> None:
            self.pending -= 1
            call(argument)

        self._mailbox.post(reported)
