"""What can happen to a node. Each event carries all that a decision needs, the attempt it speaks of included."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from covalent.status import Status
from covalent.wire.work import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A worker was given the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing:
    """A worker said that it builds the environment that the task needs."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A worker said that the task began."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A worker said how an attempt ended."""

    attempt: int
    outcome: Outcome
    error: str | None = None
    #: Seconds since the epoch.
    at: float = 0.0
    #: A number of chance in [0, 1), so that what failed together is not tried again all at once.
    chance: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnded:
    """The dispatch of a sublattice's node ended, or could not be made."""

    #: The attempt whose manifest it was made of.
    attempt: int
    status: Status
    error: str | None = None
    #: As in :class:`Finished`.
    at: float = 0.0
    chance: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The time of the next attempt has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reused:
    """The output of an equal task stands in for the node's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """The client worked out what was left to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """The user wants the node to end."""


class LeaseEnd(StrEnum):
    """How a lease ended without a completion."""

    #: No heartbeat named it for longer than its time to live.
    EXPIRED = "expired"
    #: Its worker died with it.
    DIED = "died"
    #: Its worker gave it back, and has not begun its task.
    RETURNED = "returned"
    #: It was taken back on purpose, with a worker that was told to stop.
    TAKEN = "taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseEnded:
    """A lease is over without a completion."""

    attempt: int
    how: LeaseEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFailed:
    """No worker can be started where the node wants to run."""

    reason: str


NodeEvent = (
    Leased
    | Preparing
    | Started
    | Finished
    | LeaseEnded
    | PoolFailed
    | ChildEnded
    | Due
    | Reused
    | Concluded
    | CancelRequested
)
