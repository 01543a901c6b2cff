"""What can happen to a node. Each event carries all that a decision needs, the attempt it speaks of included."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from covalent.wire.work import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A worker was given the node."""


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


class LeaseEnd(StrEnum):
    """How a lease ended without a completion."""

    #: No heartbeat named it for longer than its time to live.
    EXPIRED = "expired"
    #: Its worker died with it.
    DIED = "died"
    #: It was given back, or taken back on purpose.
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseEnded:
    """A lease is over without a completion."""

    attempt: int
    how: LeaseEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFailed:
    """No worker can be started where the node wants to run."""

    reason: str


NodeEvent = Leased | Started | Finished | LeaseEnded | PoolFailed
