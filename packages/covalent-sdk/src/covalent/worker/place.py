"""Where the tasks of a worker run, as the rest of the worker sees it: processes of its machine, or a cluster.

Leases go in, results come out. How a task gets its inputs and what runs it is the place's own business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from covalent.wire.work import LeaseKey, Poll, StreamChunk
from covalent.worker.ledger import Held
from covalent.worker.spool import Entry

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """What running tasks have printed since the last time: the pieces and their bytes."""

    chunks: Sequence[StreamChunk]
    blobs: Sequence[bytes]


class Ends(Protocol):
    """What a place tells of its leases."""

    def ended(self, held: Held, entry: Entry) -> None:
        """A task has come to its end, well or not."""

    def given_back(self, leases: Sequence[Held]) -> None:
        """Leases whose tasks were not begun, and will not be begun here."""


class Place(Protocol):
    """Where tasks run. All of it happens in the loop's thread."""

    def take(self, held: Held, blobs: Mapping[str, Buffer]) -> None:
        """Run the task of a lease that came with some of its assets, as soon as there is room."""

    def over(self, held: Held) -> None:
        """A lease has ended, or is no longer this worker's: forget it, without a word of its task."""

    def drop(self, held: Held) -> None:
        """A lease is no longer this worker's: stop its task if it runs."""

    def release(self) -> list[Held]:
        """Give up all that was not begun; those leases."""

    def capacity(self) -> int:
        """How many unfinished leases to hold."""

    @property
    def preparing(self) -> int:
        """How many leases wait for their environment."""

    def beginning(self) -> tuple[LeaseKey, ...]:
        """Leases whose task has begun a moment ago, or is to begin, and of which the server does not know that."""

    def newly_preparing(self) -> tuple[LeaseKey, ...]:
        """Leases whose environment is being built, and of which the server does not know that."""

    def told(self, poll: Poll) -> None:
        """The server has answered this message."""

    def confirmed(self, asked: Collection[LeaseKey], begin: Collection[LeaseKey]) -> list[Held]:
        """Of those that were named as started, the server lets these begin; the leases that have ended instead."""

    def running(self, *, told: bool) -> Iterator[Held]:
        """Leases whose task has begun a while ago, and of which the server does or does not know that."""

    def more_soon(self) -> bool:
        """Whether tiny tasks are under way, so that another end comes within milliseconds."""

    def hurried(self) -> bool:
        """Whether tasks wait for others that are about to end."""

    def well_supplied(self) -> bool:
        """Whether everything that runs tasks has several more, so that ends may gather."""

    def printed(self) -> Printed:
        """What running tasks have printed that the server does not have."""

    def step(self, now: float) -> None:
        """Stop what has had its time, begin what there is room for."""

    def keep_reserve(self, now: float) -> None:
        """Make ready for what may come; called when there is nothing more urgent."""

    def fault(self) -> str | None:
        """Why no task can be run here any more; None as long as some can."""

    def stop(self) -> None:
        """End all that runs."""
