"""What somebody sees who waits for a dispatch: one line that moves where somebody looks, and nothing elsewhere.

Nothing is shown for half a second, which most dispatches of a few small tasks do not take. From then on the server is
asked twice a second, because an answer that is held back until the end tells of nothing in between. Where nothing is
shown nobody needs that, and one question takes half a minute.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, Self

from covalent.status import NODE_TRANSITIONS, Status
from covalent.wire.records import DispatchRecord

#: For how long the server may hold an answer back, in seconds: when nobody looks, and when somebody does.
_HELD_UNSEEN: Final = 30.0
_HELD_SEEN: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a dispatch has come, after so many seconds of waiting."""

    name: str
    status: Status
    total: int
    done: int
    running: int
    #: Of those that run, how many have not begun because their packages are being installed.
    preparing: int
    failed: int
    seconds: float

    @classmethod
    def of(cls, record: DispatchRecord, seconds: float) -> Standing:
        """What a record says."""
        counts = {Status(status): count for status, count in record.node_counts.items()}
        return cls(
            name=record.name,
            status=record.status,
            total=sum(counts.values()),
            done=sum(count for status, count in counts.items() if not NODE_TRANSITIONS[status]),
            running=counts.get(Status.RUNNING, 0) + counts.get(Status.DISPATCHING, 0),
            preparing=record.preparing,
            failed=counts.get(Status.FAILED, 0),
            seconds=seconds,
        )

    @property
    def text(self) -> str:
        """All but the name, in words."""
        minutes, seconds = divmod(int(self.seconds), 60)
        hours, minutes = divmod(minutes, 60)
        elapsed = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        failed = f", {self.failed:,} failed" if self.failed else ""
        preparing = f" ({self.preparing:,} installing packages)" if self.preparing else ""
        return f"{self.done:,}/{self.total:,} done, {self.running:,} running{preparing}{failed}, {elapsed}"


class View(Protocol):
    """Where progress is shown."""

    def show(self, standing: Standing) -> None:
        """Show how far it has come, in place of what was shown before."""

    def clear(self) -> None:
        """Make room for something else; what is shown next appears anew."""

    def close(self) -> None:
        """Show nothing more, and leave no line that looks as if it still moved."""


class Progress:
    """One waiting, with the view of it if there is any."""

    def __init__(self, view: View | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._view = view
        self._clock = clock
        self._began = clock()
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._view is not None:
            self._view.close()

    @property
    def held(self) -> float:
        """For how long the server may hold back its next answer, in seconds."""
        return _HELD_UNSEEN if self._view is None else _HELD_SEEN

    def tell(self, record: DispatchRecord) -> None:
        """Show what a record says, unless the waiting is young or over before anything was shown."""
        seconds = self._clock() - self._began
        if self._view is not None and (self._shown or (seconds >= _HELD_SEEN and not record.status.at_rest)):
            self._shown = True
            self._view.show(Standing.of(record, seconds))

    def say(self, text: str) -> None:
        """Write a line that stays."""
        if self._view is not None:
            self._view.clear()
        sys.stderr.write(f"{text}\n")
