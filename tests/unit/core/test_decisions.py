"""The rules of leases, attempts and losses."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covalent.wire.work import Acknowledgement, Outcome
from covalent_server.core.decisions import NodeView, Policy, decide
from covalent_server.core.events import Finished, Leased, LeaseEnd, LeaseEnded, NodeEvent, PoolFailed, Started
from covalent_server.core.states import TRANSITIONS, NodeState

READY = NodeView(state=NodeState.READY)
LEASED = NodeView(state=NodeState.LEASED, attempt=1)
RUNNING = NodeView(state=NodeState.RUNNING, attempt=1)
COMPLETED = Finished(attempt=1, outcome=Outcome.COMPLETED)
FAILED = Finished(attempt=1, outcome=Outcome.FAILED, error="no")

events = st.one_of(
    st.just(Leased()),
    st.builds(Started, attempt=st.integers(0, 4)),
    st.builds(Finished, attempt=st.integers(0, 4), outcome=st.sampled_from(Outcome)),
    st.builds(LeaseEnded, attempt=st.integers(0, 4), how=st.sampled_from(LeaseEnd)),
    st.just(PoolFailed(reason="nowhere to run")),
)


def test_a_lease_raises_the_attempt() -> None:
    assert decide(READY, Leased(), Policy()).node == LEASED


@pytest.mark.parametrize("node", [LEASED, RUNNING], ids=["leased", "running"])
def test_a_completion_ends_the_node_and_fences_its_attempt(node: NodeView) -> None:
    decision = decide(node, COMPLETED, Policy())
    assert decision.acknowledgement is Acknowledgement.OK
    assert decision.node == NodeView(state=NodeState.COMPLETED, attempt=1, fenced=1)
    assert decide(decision.node, COMPLETED, Policy()).acknowledgement is Acknowledgement.DUPLICATE


def test_a_failure_is_tried_again_as_often_as_policy_says() -> None:
    node, error = READY, None
    for expected in (NodeState.READY, NodeState.READY, NodeState.FAILED):
        node = decide(node, Leased(), Policy(retries=2)).node
        failed = Finished(attempt=node.attempt, outcome=Outcome.FAILED, error="no")
        decision = decide(node, failed, Policy(retries=2))
        node, error = decision.node, decision.error
        assert node.state is expected
    assert error == "no"
    assert node.failures == 3


def test_a_lease_that_expires_before_its_task_began_costs_nothing() -> None:
    decision = decide(LEASED, LeaseEnded(attempt=1, how=LeaseEnd.EXPIRED), Policy(max_losses=0))
    assert decision.node == NodeView(state=NodeState.READY, attempt=1)


@pytest.mark.parametrize("node", [LEASED, RUNNING], ids=["leased", "running"])
def test_a_lease_that_is_given_back_costs_nothing(node: NodeView) -> None:
    decision = decide(node, LeaseEnded(attempt=1, how=LeaseEnd.RETURNED), Policy(max_losses=0))
    assert decision.node == NodeView(state=NodeState.READY, attempt=1)


@pytest.mark.parametrize("node", [LEASED, RUNNING], ids=["leased", "running"])
def test_a_task_whose_worker_died_may_have_killed_it(node: NodeView) -> None:
    died = LeaseEnded(attempt=1, how=LeaseEnd.DIED)
    assert decide(node, died, Policy()).node == NodeView(state=NodeState.READY, attempt=1, losses=1)
    assert decide(node, died, Policy(max_losses=0)).node.state is NodeState.FAILED


def test_a_task_that_had_begun_is_lost_a_bounded_number_of_times() -> None:
    node = RUNNING
    for loss in range(1, 4):
        node = decide(node, LeaseEnded(attempt=node.attempt, how=LeaseEnd.EXPIRED), Policy()).node
        assert (node.state, node.losses) == (NodeState.READY, loss)
        node = decide(node, Leased(), Policy()).node
        node = decide(node, Started(attempt=node.attempt), Policy()).node
    decision = decide(node, LeaseEnded(attempt=node.attempt, how=LeaseEnd.EXPIRED), Policy())
    assert decision.node.state is NodeState.FAILED
    assert "lost 4 times" in str(decision.error)


@pytest.mark.parametrize("state", [NodeState.READY, NodeState.LEASED, NodeState.RUNNING])
def test_the_late_result_of_a_lost_attempt_is_taken_while_the_node_is_open(state: NodeState) -> None:
    node = NodeView(state=state, attempt=2, losses=1)
    assert decide(node, COMPLETED, Policy()).node.state is NodeState.COMPLETED
    failed = decide(node, FAILED, Policy())
    assert failed.acknowledgement is Acknowledgement.STALE
    assert failed.node == node


def test_an_attempt_that_failed_cannot_come_back() -> None:
    node = NodeView(state=NodeState.LEASED, attempt=2, fenced=1, failures=1)
    assert decide(node, COMPLETED, Policy()).acknowledgement is Acknowledgement.DUPLICATE
    later = NodeView(state=NodeState.LEASED, attempt=3, fenced=2, failures=2)
    assert decide(later, COMPLETED, Policy()).acknowledgement is Acknowledgement.STALE


def test_a_completion_of_an_attempt_that_was_never_leased_is_stale() -> None:
    never = Finished(attempt=9, outcome=Outcome.COMPLETED)
    assert decide(LEASED, never, Policy()).acknowledgement is Acknowledgement.STALE


@given(st.lists(events, max_size=40), st.integers(0, 2), st.integers(0, 2))
def test_nodes_move_only_along_the_table_and_what_ended_stays(
    happenings: list[NodeEvent], retries: int, max_losses: int
) -> None:
    node = READY
    for event in happenings:
        after = decide(node, event, Policy(retries=retries, max_losses=max_losses)).node
        assert after.state is node.state or after.state in TRANSITIONS[node.state]
        if node.state.terminal:
            assert after == node
        assert after.attempt >= node.attempt >= after.fenced - 1
        assert after.fenced <= after.attempt
        node = after


def test_every_state_can_be_reached_and_left_as_the_table_says() -> None:
    assert {state for state in NodeState if state.terminal} == {
        NodeState.COMPLETED,
        NodeState.FAILED,
        NodeState.CANCELLED,
        NodeState.BLOCKED,
    }
    reached = set(itertools.chain.from_iterable(TRANSITIONS.values()))
    assert reached == set(NodeState) - {NodeState.WAITING}
    assert all(state.status for state in NodeState)
