"""What follows for a node from an event: the rules of leases, attempts and losses in one place.

``attempt`` only fences. Policy counts *failures* (the user's error, a dead runner, a timeout, a failed sublattice)
against ``retries`` and *losses* (a lease that expired after its task was reported started, or whose worker died)
against ``max_losses``. A lease that expired before its task began costs nothing, also while its environment was being
built, nor does one that was given back.

A task that is never to be begun twice has begun when its node is RUNNING: its worker waits for that. From then on it is
not tried again, whatever becomes of it; only its worker can say that it did not begin it, and gives it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, assert_never

from covalent.status import Status
from covalent.wire.work import Acknowledgement, Outcome
from covalent_server.core.events import (
    CancelRequested,
    ChildEnded,
    Concluded,
    Due,
    Finished,
    Leased,
    LeaseEnd,
    LeaseEnded,
    NodeEvent,
    PoolFailed,
    Preparing,
    Reused,
    Started,
)
from covalent_server.core.states import NodeState

#: The longest pause before a retry, in seconds.
MAX_DELAY: Final = 86400.0
#: By how much of itself chance may lengthen a pause.
_SPREAD: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a node is tried, and how often."""

    #: How many failed attempts are followed by another.
    retries: int = 0
    #: Seconds before the first retry; doubled for each further one.
    retry_delay: float = 0.0
    #: How many times a task may be lost with its worker.
    max_losses: int = 3
    #: Whether its task gives a manifest, which becomes a dispatch of its own.
    spawns: bool = False
    #: Whether the output of an equal task may stand in for its own.
    cache: bool = False
    #: Whether its task is never begun twice: what was lost or has failed once it had begun stays so.
    at_most_once: bool = False

    def delay(self, failures: int, chance: float) -> float:
        """Seconds before the attempt that follows so many failures."""
        doubled = self.retry_delay * 2.0 ** min(failures - 1, 64)
        return min(doubled * (1.0 + _SPREAD * chance), MAX_DELAY)


#: From this many losses on a task is leased alone: if it is the one that takes workers down, it takes no other along.
ALONE_AFTER: Final = 2


#: Ends of leases that are nobody's fault.
_FREE: Final = frozenset({LeaseEnd.RETURNED, LeaseEnd.TAKEN})
#: What has happened to a task that is never begun twice.
_LOST_BY: Final[Mapping[LeaseEnd, str]] = MappingProxyType(
    {
        LeaseEnd.EXPIRED: "its worker fell silent",
        LeaseEnd.DIED: "its worker died",
        LeaseEnd.TAKEN: "its worker was stopped",
    }
)
_NOT_REPEATED: Final = (
    "How far it came is not known, and it is not begun again, because it has at_most_once=True: see what it has done, "
    "then go on with ct.redispatch(ID, reuse_previous_results=True)(), which begins it again"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """A node as a decision sees it."""

    state: NodeState
    #: The number of the latest lease.
    attempt: int = 0
    #: The latest attempt whose end was recorded; it and all before it are fenced off.
    fenced: int = 0
    failures: int = 0
    losses: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The node's next state, or the same when nothing changes; ``acknowledgement`` answers a completion."""

    node: NodeView
    acknowledgement: Acknowledgement = Acknowledgement.OK
    #: Why the node failed.
    error: str | None = None
    #: When a delayed node is due, in seconds since the epoch.
    due_at: float | None = None


def decide(node: NodeView, event: NodeEvent, policy: Policy) -> Decision:
    """The one function that moves a node."""
    match event:
        case Leased():
            leased = _become(node, NodeState.LEASED, attempt=node.attempt + 1)
            return leased if node.state is NodeState.READY else _unchanged(node)
        case Preparing(attempt=attempt) | Started(attempt=attempt):
            sources, target = _PROGRESS[type(event)]
            goes_on = node.state in sources and attempt == node.attempt
            return _become(node, target) if goes_on else _unchanged(node)
        case Finished():
            return _finish(node, event, policy)
        case LeaseEnded(attempt=attempt, how=how):
            out = node.state.leased and attempt == node.attempt
            return _lose(node, how, policy) if out else _unchanged(node)
        case PoolFailed(reason=reason):
            failed = Decision(node=_view(node, NodeState.FAILED), error=reason)
            return failed if node.state is NodeState.READY else _unchanged(node)
        case ChildEnded():
            return _child_ended(node, event, policy)
        case Due() | Reused() | Concluded():
            sources, target = _STEPS[type(event)]
            return _become(node, target) if node.state in sources else _unchanged(node)
        case CancelRequested():
            return _cancel(node)
        case _:
            assert_never(event)


#: What a worker tells of a lease that it has: from which states it leads to which.
_PROGRESS: Final[Mapping[type, tuple[frozenset[NodeState], NodeState]]] = MappingProxyType(
    {
        Preparing: (frozenset({NodeState.LEASED}), NodeState.PREPARING),
        Started: (frozenset({NodeState.LEASED, NodeState.PREPARING}), NodeState.RUNNING),
    }
)

#: Events that lead from certain states to one, and change nothing in any other.
_STEPS: Final[Mapping[type, tuple[frozenset[NodeState], NodeState]]] = MappingProxyType(
    {
        Due: (frozenset({NodeState.DELAYED}), NodeState.READY),
        Reused: (frozenset({NodeState.READY}), NodeState.COMPLETED),
        Concluded: (frozenset({NodeState.LEFT_TO_CLIENT}), NodeState.COMPLETED),
    }
)


def _cancel(node: NodeView) -> Decision:
    if node.state.terminal or node.state is NodeState.LEFT_TO_CLIENT:
        return _unchanged(node)
    return _become(node, NodeState.CANCELLED, fenced=node.attempt)


def _finish(node: NodeView, event: Finished, policy: Policy) -> Decision:
    if node.state is NodeState.CANCELLED:
        return _unchanged(node, Acknowledgement.STALE)
    if event.attempt == node.fenced:
        return _unchanged(node, Acknowledgement.DUPLICATE)
    # Once a sublattice was built, its dispatch decides: another attempt at building it comes too late.
    over = node.state.terminal or node.state is NodeState.DISPATCHING
    if over or event.attempt < node.fenced or event.attempt > node.attempt:
        return _unchanged(node, Acknowledgement.STALE)
    if event.outcome is Outcome.COMPLETED:
        # The first completion wins: it may come from an attempt whose lease was lost.
        after = NodeState.DISPATCHING if policy.spawns else NodeState.COMPLETED
        return _become(node, after, fenced=event.attempt)
    if event.attempt < node.attempt:
        # A lost attempt that failed leaves its replacement alone.
        return _unchanged(node, Acknowledgement.STALE)
    error = event.error or "the task failed without saying why"
    return _fail(node, event, policy, error)


def _child_ended(node: NodeView, event: ChildEnded, policy: Policy) -> Decision:
    if node.state is not NodeState.DISPATCHING or event.attempt != node.fenced:
        return _unchanged(node)
    if event.status is Status.COMPLETED:
        return _become(node, NodeState.COMPLETED)
    if event.status is Status.CANCELLED:
        return _become(node, NodeState.CANCELLED)
    return _fail(node, event, policy, event.error or "its sublattice failed without saying why")


def _fail(node: NodeView, event: Finished | ChildEnded, policy: Policy, error: str) -> Decision:
    failures = node.failures + 1
    if failures > policy.retries or policy.at_most_once:
        return Decision(node=_view(node, NodeState.FAILED, fenced=node.attempt, failures=failures), error=error)
    delay = policy.delay(failures, event.chance)
    if not delay:
        return _become(node, NodeState.READY, fenced=node.attempt, failures=failures)
    delayed = _view(node, NodeState.DELAYED, fenced=node.attempt, failures=failures)
    # The error of the last attempt is worth seeing while the next one is waited for.
    return Decision(node=delayed, error=error, due_at=event.at + delay)


def _lose(node: NodeView, how: LeaseEnd, policy: Policy) -> Decision:
    begun = node.state is NodeState.RUNNING
    if begun and policy.at_most_once and how is not LeaseEnd.RETURNED:
        failed = _view(node, NodeState.FAILED, fenced=node.attempt, losses=node.losses + 1)
        return Decision(node=failed, error=f"{_LOST_BY[how]} after the task had begun. {_NOT_REPEATED}")
    # A task may take its worker down before anybody heard that it began.
    free = how in _FREE or (how is LeaseEnd.EXPIRED and not begun)
    if free:
        return _become(node, NodeState.READY)
    losses = node.losses + 1
    if losses <= policy.max_losses:
        return _become(node, NodeState.READY, losses=losses)
    return Decision(
        node=_view(node, NodeState.FAILED, fenced=node.attempt, losses=losses),
        error=(
            f"lost {losses} times: the worker that ran the task died or fell silent each time. "
            "If the task needs more memory than there is, give it less to do; see the worker's log"
        ),
    )


def _view(node: NodeView, state: NodeState, **changes: int) -> NodeView:
    counters = {"attempt": node.attempt, "fenced": node.fenced, "failures": node.failures, "losses": node.losses}
    return NodeView(state=state, **(counters | changes))


def _become(node: NodeView, state: NodeState, **changes: int) -> Decision:
    return Decision(node=_view(node, state, **changes))


def _unchanged(node: NodeView, acknowledgement: Acknowledgement = Acknowledgement.OK) -> Decision:
    return Decision(node=node, acknowledgement=acknowledgement)
