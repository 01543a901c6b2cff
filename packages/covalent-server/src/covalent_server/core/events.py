"""What can happen to a node. Each event carries all that a decision needs, the attempt it speaks of included."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseExpired:
    """No heartbeat named the lease for longer than its time to live, or its worker is known to be dead."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFailed:
    """No worker can be started where the node wants to run."""

    reason: str


NodeEvent = Leased | Started | Finished | LeaseExpired | PoolFailed
