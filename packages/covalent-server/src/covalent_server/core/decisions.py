"""What follows for a node from an event: the rules of leases, attempts and losses in one place.

``attempt`` only fences. Policy counts *failures* (the user's error, a dead runner) against ``retries`` and *losses* (a
lease that expired after its task was reported started, or whose worker died) against ``max_losses``. A lease that
expired before its task began costs nothing, nor does one that was given back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never

from covalent.wire.work import Acknowledgement, Outcome
from covalent_server.core.events import Finished, Leased, LeaseEnd, LeaseEnded, NodeEvent, PoolFailed, Started
from covalent_server.core.states import NodeState


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often a node is tried."""

    #: How many failed attempts are followed by another.
    retries: int = 0
    #: How many times a task may be lost with its worker.
    max_losses: int = 3


#: From this many losses on a task is leased alone: if it is the one that takes workers down, it takes no other along.
ALONE_AFTER: Final = 2


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


def decide(node: NodeView, event: NodeEvent, policy: Policy) -> Decision:
    """The one function that moves a node."""
    match event:
        case Leased():
            if node.state is not NodeState.READY:
                return _unchanged(node)
            return _become(node, NodeState.LEASED, attempt=node.attempt + 1)
        case Started(attempt=attempt):
            if node.state is not NodeState.LEASED or attempt != node.attempt:
                return _unchanged(node)
            return _become(node, NodeState.RUNNING)
        case Finished():
            return _finish(node, event, policy)
        case LeaseEnded(attempt=attempt, how=how):
            if not node.state.leased or attempt != node.attempt:
                return _unchanged(node)
            return _lose(node, how, policy)
        case PoolFailed(reason=reason):
            if node.state is not NodeState.READY:
                return _unchanged(node)
            return Decision(node=_view(node, NodeState.FAILED), error=reason)
        case _:
            assert_never(event)


def _finish(node: NodeView, event: Finished, policy: Policy) -> Decision:
    if event.attempt == node.fenced:
        return _unchanged(node, Acknowledgement.DUPLICATE)
    if node.state.terminal or event.attempt < node.fenced or event.attempt > node.attempt:
        return _unchanged(node, Acknowledgement.STALE)
    if event.outcome is Outcome.COMPLETED:
        # The first completion wins: it may come from an attempt whose lease was lost.
        return _become(node, NodeState.COMPLETED, fenced=event.attempt)
    if event.attempt < node.attempt:
        # A lost attempt that failed leaves its replacement alone.
        return _unchanged(node, Acknowledgement.STALE)
    failures = node.failures + 1
    if failures <= policy.retries:
        return _become(node, NodeState.READY, fenced=event.attempt, failures=failures)
    failed = _view(node, NodeState.FAILED, fenced=event.attempt, failures=failures)
    return Decision(node=failed, error=event.error or "the task failed without saying why")


def _lose(node: NodeView, how: LeaseEnd, policy: Policy) -> Decision:
    # A task may take its worker down before anybody heard that it began.
    free = how is LeaseEnd.RETURNED or (how is LeaseEnd.EXPIRED and node.state is NodeState.LEASED)
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
