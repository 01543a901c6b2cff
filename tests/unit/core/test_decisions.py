"""The rules of leases, attempts and losses."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covalent.status import Status
from covalent.wire.work import Acknowledgement, Outcome
from covalent_server.core.decisions import MAX_DELAY, NodeView, Policy, decide
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
from covalent_server.core.states import TRANSITIONS, NodeState

READY = NodeView(state=NodeState.READY)
LEASED = NodeView(state=NodeState.LEASED, attempt=1)
PREPARING = NodeView(state=NodeState.PREPARING, attempt=1)
RUNNING = NodeView(state=NodeState.RUNNING, attempt=1)
COMPLETED = Finished(attempt=1, outcome=Outcome.COMPLETED)
FAILED = Finished(attempt=1, outcome=Outcome.FAILED, error="no")

SPAWNS = Policy(spawns=True)
DISPATCHING = NodeView(state=NodeState.DISPATCHING, attempt=1, fenced=1)
ENDS = (Status.COMPLETED, Status.FAILED, Status.FAILED_POSTPROCESSING, Status.CANCELLED)

events = st.one_of(
    st.just(Leased()),
    st.builds(Preparing, attempt=st.integers(0, 4)),
    st.builds(Started, attempt=st.integers(0, 4)),
    st.builds(Finished, attempt=st.integers(0, 4), outcome=st.sampled_from(Outcome)),
    st.builds(LeaseEnded, attempt=st.integers(0, 4), how=st.sampled_from(LeaseEnd)),
    st.just(PoolFailed(reason="nowhere to run")),
    st.builds(ChildEnded, attempt=st.integers(0, 4), status=st.sampled_from(ENDS)),
    st.sampled_from([Due(), Reused(), Concluded(), CancelRequested()]),
)


def test_a_lease_raises_the_attempt() -> None:
    assert decide(READY, Leased(), Policy()).node == LEASED


@pytest.mark.parametrize("node", [LEASED, PREPARING, RUNNING], ids=lambda node: node.state)
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


@pytest.mark.parametrize("node", [LEASED, PREPARING], ids=["leased", "preparing"])
def test_a_lease_that_expires_before_its_task_began_costs_nothing(node: NodeView) -> None:
    decision = decide(node, LeaseEnded(attempt=1, how=LeaseEnd.EXPIRED), Policy(max_losses=0))
    assert decision.node == NodeView(state=NodeState.READY, attempt=1)


def test_a_task_may_be_prepared_before_it_begins() -> None:
    assert decide(LEASED, Preparing(attempt=1), Policy()).node == PREPARING
    assert decide(PREPARING, Started(attempt=1), Policy()).node == RUNNING


@pytest.mark.parametrize("node", [PREPARING, RUNNING, DISPATCHING], ids=lambda node: node.state)
def test_word_that_comes_late_or_twice_of_a_task_being_prepared_changes_nothing(node: NodeView) -> None:
    assert decide(node, Preparing(attempt=1), Policy()).node == node
    assert decide(LEASED, Preparing(attempt=0), Policy()).node == LEASED


@pytest.mark.parametrize("how", [LeaseEnd.RETURNED, LeaseEnd.TAKEN])
@pytest.mark.parametrize("node", [LEASED, PREPARING, RUNNING], ids=lambda node: node.state)
def test_a_lease_that_is_given_back_costs_nothing(node: NodeView, how: LeaseEnd) -> None:
    decision = decide(node, LeaseEnded(attempt=1, how=how), Policy(max_losses=0))
    assert decision.node == NodeView(state=NodeState.READY, attempt=1)


@pytest.mark.parametrize("how", [LeaseEnd.EXPIRED, LeaseEnd.DIED, LeaseEnd.TAKEN])
def test_what_is_never_begun_twice_has_failed_when_it_is_lost_once_begun(how: LeaseEnd) -> None:
    decision = decide(RUNNING, LeaseEnded(attempt=1, how=how), Policy(at_most_once=True))
    assert decision.node == NodeView(state=NodeState.FAILED, attempt=1, fenced=1, losses=1)
    assert str(decision.error).startswith("its worker ")
    assert "it is not begun again, because it has at_most_once=True" in str(decision.error)
    assert "ct.redispatch" in str(decision.error)
    late = decide(decision.node, COMPLETED, Policy(at_most_once=True))
    assert (late.node, late.acknowledgement is Acknowledgement.OK) == (decision.node, False)


@pytest.mark.parametrize("how", list(LeaseEnd))
@pytest.mark.parametrize("node", [LEASED, PREPARING], ids=lambda node: node.state)
def test_what_is_never_begun_twice_goes_to_another_worker_when_it_is_lost_before_it_began(
    node: NodeView, how: LeaseEnd
) -> None:
    lost = LeaseEnded(attempt=1, how=how)
    once = decide(node, lost, Policy(at_most_once=True)).node
    assert once == decide(node, lost, Policy()).node
    assert once.state is NodeState.READY


def test_what_is_never_begun_twice_goes_on_when_its_worker_says_that_it_did_not_begin_it() -> None:
    returned = LeaseEnded(attempt=1, how=LeaseEnd.RETURNED)
    assert decide(RUNNING, returned, Policy(at_most_once=True)).node == NodeView(state=NodeState.READY, attempt=1)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.DIED, Outcome.TIMED_OUT])
def test_what_is_never_begun_twice_is_not_tried_again(outcome: Outcome) -> None:
    ended = Finished(attempt=1, outcome=outcome, error="no")
    assert decide(RUNNING, ended, Policy(at_most_once=True, retries=9)).node.state is NodeState.FAILED


@pytest.mark.parametrize("node", [LEASED, PREPARING, RUNNING], ids=lambda node: node.state)
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


@pytest.mark.parametrize("state", [NodeState.READY, NodeState.LEASED, NodeState.PREPARING, NodeState.RUNNING])
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


@pytest.mark.parametrize("how", list(LeaseEnd))
def test_leases_that_were_given_back_or_lost_use_up_no_retries(how: LeaseEnd) -> None:
    policy = Policy(retries=1, max_losses=9)
    node = READY
    for attempt in range(1, 6):
        node = decide(decide(node, Leased(), policy).node, Started(attempt=attempt), policy).node
        node = decide(node, LeaseEnded(attempt=attempt, how=how), policy).node
    node = decide(node, Leased(), policy).node
    failed = decide(node, Finished(attempt=6, outcome=Outcome.FAILED), policy).node
    assert (failed.state, failed.failures) == (NodeState.READY, 1)


def test_only_losses_count_against_losses() -> None:
    policy = Policy(retries=9, max_losses=1)
    node = READY
    for attempt in range(1, 10):
        node = decide(node, Leased(), policy).node
        happened: NodeEvent = Finished(attempt=attempt, outcome=Outcome.DIED)
        if attempt % 2:
            happened = LeaseEnded(attempt=attempt, how=LeaseEnd.RETURNED)
        node = decide(node, happened, policy).node
    node = decide(decide(node, Leased(), policy).node, Started(attempt=10), policy).node
    lost = decide(node, LeaseEnded(attempt=10, how=LeaseEnd.EXPIRED), policy).node
    assert (lost.state, lost.failures, lost.losses) == (NodeState.READY, 4, 1)


policies = st.builds(
    Policy,
    retries=st.integers(0, 2),
    retry_delay=st.sampled_from([0.0, 1.5]),
    max_losses=st.integers(0, 2),
    spawns=st.booleans(),
    at_most_once=st.booleans(),
)


@given(
    st.lists(events, max_size=40),
    policies,
    st.sampled_from([NodeState.WAITING, NodeState.READY, NodeState.LEFT_TO_CLIENT]),
)
def test_nodes_move_only_along_the_table_and_what_ended_stays(
    happenings: list[NodeEvent], policy: Policy, first: NodeState
) -> None:
    node = NodeView(state=first)
    for event in happenings:
        after = decide(node, event, policy).node
        assert after.state is node.state or after.state in TRANSITIONS[node.state]
        if node.state.terminal:
            assert after == node
        assert after.attempt >= node.attempt >= after.fenced - 1
        assert after.fenced <= after.attempt
        # Each attempt fails once at most.
        assert after.failures <= after.fenced
        if node.state is NodeState.DISPATCHING and after != node:
            assert isinstance(event, ChildEnded | CancelRequested)
        node = after


def test_every_state_can_be_reached_and_left_as_the_table_says() -> None:
    assert {state for state in NodeState if state.terminal} == {
        NodeState.COMPLETED,
        NodeState.FAILED,
        NodeState.CANCELLED,
        NodeState.BLOCKED,
    }
    reached = set(itertools.chain.from_iterable(TRANSITIONS.values()))
    assert reached == set(NodeState) - {NodeState.WAITING, NodeState.LEFT_TO_CLIENT}
    assert all(state.status for state in NodeState)


def test_a_delayed_retry_waits_for_its_time_longer_after_each_failure() -> None:
    policy = Policy(retries=3, retry_delay=2.0)
    node, delays = READY, []
    for _ in range(3):
        node = decide(node, Leased(), policy).node
        failed = Finished(attempt=node.attempt, outcome=Outcome.FAILED, error="no", at=100.0)
        decision = decide(node, failed, policy)
        assert decision.node.state is NodeState.DELAYED
        assert decision.error == "no"
        assert decision.due_at is not None
        delays.append(decision.due_at - 100.0)
        node = decide(decision.node, Due(), policy).node
        assert node.state is NodeState.READY
    assert delays == [2.0, 4.0, 8.0]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.floats(0, 1e300))
def test_chance_spreads_retries_and_no_pause_is_endless(failures: int, chance: float, first: float) -> None:
    policy = Policy(retry_delay=first)
    exact = min(first * 2.0 ** min(failures - 1, 64), MAX_DELAY)
    assert exact <= policy.delay(failures, chance) <= min(exact * 1.25, MAX_DELAY) * (1 + 1e-9)


def test_a_timeout_counts_as_a_failure_and_its_late_result_is_not_taken() -> None:
    timed_out = decide(RUNNING, Finished(attempt=1, outcome=Outcome.TIMED_OUT), Policy(retries=1)).node
    assert (timed_out.state, timed_out.failures) == (NodeState.READY, 1)
    again = decide(timed_out, Leased(), Policy()).node
    assert decide(again, COMPLETED, Policy()).node == again


def test_a_sublattices_task_goes_on_as_a_dispatch_and_takes_its_end() -> None:
    assert decide(RUNNING, COMPLETED, SPAWNS).node == DISPATCHING
    ended = decide(DISPATCHING, ChildEnded(attempt=1, status=Status.COMPLETED), SPAWNS)
    assert ended.node.state is NodeState.COMPLETED
    cancelled = decide(DISPATCHING, ChildEnded(attempt=1, status=Status.CANCELLED), SPAWNS)
    assert cancelled.node.state is NodeState.CANCELLED


@pytest.mark.parametrize("status", [Status.FAILED, Status.FAILED_POSTPROCESSING])
def test_a_failed_sublattice_is_tried_again_as_policy_says(status: Status) -> None:
    failed = ChildEnded(attempt=1, status=status, error="why")
    assert decide(DISPATCHING, failed, Policy(spawns=True, retries=1)).node.state is NodeState.READY
    decision = decide(DISPATCHING, failed, SPAWNS)
    assert (decision.node.state, decision.error) == (NodeState.FAILED, "why")


@pytest.mark.parametrize("outcome", list(Outcome))
def test_once_a_sublattice_was_built_another_attempt_changes_nothing(outcome: Outcome) -> None:
    # The late result of a lost attempt was taken; its replacement ends before it hears of that.
    taken = decide(NodeView(state=NodeState.RUNNING, attempt=2, losses=1), COMPLETED, SPAWNS).node
    assert taken == NodeView(state=NodeState.DISPATCHING, attempt=2, fenced=1, losses=1)
    replacement = decide(taken, Finished(attempt=2, outcome=outcome), Policy(spawns=True, retries=3))
    assert (replacement.node, replacement.acknowledgement) == (taken, Acknowledgement.STALE)
    assert decide(taken, COMPLETED, SPAWNS).acknowledgement is Acknowledgement.DUPLICATE


def test_no_attempt_of_before_a_failed_sublattice_comes_back() -> None:
    dispatching = NodeView(state=NodeState.DISPATCHING, attempt=2, fenced=1, losses=1)
    failed = ChildEnded(attempt=1, status=Status.FAILED)
    again = decide(dispatching, failed, Policy(spawns=True, retries=1)).node
    assert (again.state, again.failures) == (NodeState.READY, 1)
    for outcome in Outcome:
        late = Finished(attempt=2, outcome=outcome)
        assert decide(again, late, Policy(spawns=True, retries=1)).node == again


def test_the_end_of_an_earlier_attempts_sublattice_changes_nothing() -> None:
    node = NodeView(state=NodeState.DISPATCHING, attempt=2, fenced=2, failures=1)
    assert decide(node, ChildEnded(attempt=1, status=Status.FAILED), SPAWNS).node == node


@pytest.mark.parametrize("state", [state for state in NodeState if not state.terminal])
def test_what_is_open_can_be_cancelled_but_what_is_left_to_the_client(state: NodeState) -> None:
    node = NodeView(state=state, attempt=3, fenced=2)
    after = decide(node, CancelRequested(), Policy()).node
    if state is NodeState.LEFT_TO_CLIENT:
        assert after == node
    else:
        assert after == NodeView(state=NodeState.CANCELLED, attempt=3, fenced=3)
        late = decide(after, Finished(attempt=3, outcome=Outcome.COMPLETED), Policy())
        assert (late.node, late.acknowledgement) == (after, Acknowledgement.STALE)


@pytest.mark.parametrize("state", list(NodeState))
def test_only_what_waits_for_a_worker_can_take_over_an_output(state: NodeState) -> None:
    after = decide(NodeView(state=state), Reused(), Policy()).node.state
    assert after is (NodeState.COMPLETED if state is NodeState.READY else state)


@pytest.mark.parametrize("state", list(NodeState))
def test_the_client_completes_what_was_left_to_it_and_nothing_else(state: NodeState) -> None:
    after = decide(NodeView(state=state), Concluded(), Policy()).node.state
    assert after is (NodeState.COMPLETED if state is NodeState.LEFT_TO_CLIENT else state)
