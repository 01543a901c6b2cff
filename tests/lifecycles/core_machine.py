"""``core.decisions`` and the model, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from covalent.status import Status
from covalent.wire.work import Acknowledgement, Outcome
from covalent_server.core.decisions import NodeView, Policy, decide
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
from tests.lifecycles.model import OK, Dispatch, Task
from tests.lifecycles.visits import check_and_count

WHICH = st.integers(0, 23)
#: The states in which what happens matters; mostly it happens to a node that is in one of them.
_READY: Final = frozenset({NodeState.READY})
_HELD: Final = frozenset({NodeState.LEASED, NodeState.PREPARING, NodeState.RUNNING})
_DISPATCHING: Final = frozenset({NodeState.DISPATCHING})
#: How many attempts ago; often the latest, and now and then one that has never been.
BACK = st.sampled_from([0, 0, 0, 0, 1, 1, 2, -1])
HOW = st.sampled_from(LeaseEnd)
CHANCE = st.sampled_from([0.0, 0.5, 0.999])
TOLD = st.sampled_from([NodeState.PREPARING, NodeState.RUNNING])
OUTCOME = st.sampled_from([*Outcome, *[Outcome.COMPLETED] * 2])
ENDS = st.sampled_from([Status.COMPLETED, Status.FAILED, Status.FAILED_POSTPROCESSING, Status.CANCELLED])


@st.composite
def graphs(draw: st.DrawFn) -> dict[int, Task]:
    """Some tasks, linked, and perhaps one that is left to the client."""
    tasks = {}
    for number in range(draw(st.integers(1, 4))):
        tasks[number] = Task(
            parents=frozenset(draw(st.sets(st.sampled_from(range(number)), max_size=2))) if number else frozenset(),
            retries=draw(st.integers(0, 2)),
            retry_delay=draw(st.sampled_from([0.0, 100.0])),
            max_losses=draw(st.sampled_from([0, 1, 3])),
            spawns=draw(st.booleans()),
            at_most_once=draw(st.booleans()),
            state=draw(st.sampled_from([*[NodeState.WAITING] * 4, NodeState.LEFT_TO_CLIENT])),
        )
    return tasks


class CoreMachine(RuleBasedStateMachine):
    """Whatever may happen to nodes, in any order; what waits for others is let go as the model says."""

    visits: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    @initialize(tasks=graphs())
    def begin(self, tasks: dict[int, Task]) -> None:
        self.dispatch = Dispatch(tasks=tasks, last=max(tasks))
        self.views = {key: NodeView(state=task.state) for key, task in tasks.items()}
        self.follow()

    @precondition(lambda self: self.dispatch.status.at_rest)
    @rule(tasks=graphs())
    def begin_anew(self, tasks: dict[int, Task]) -> None:
        self.begin(tasks)

    def key(self, which: int, states: Collection[NodeState] = frozenset(NodeState)) -> int:
        """One of the nodes; in three cases of four one that is in one of the states, when there is one."""
        likely = [key for key, view in self.views.items() if view.state in states]
        keys = likely if which % 4 and likely else list(self.views)
        return keys[which % len(keys)]

    def happen(self, key: int, event: NodeEvent, model: Callable[[Task], Collection[Acknowledgement] | None]) -> None:
        """Let something happen to one node, and hold what is decided against the model."""
        task, before = self.dispatch.tasks[key], self.views[key]
        policy = Policy(
            retries=task.retries,
            retry_delay=task.retry_delay,
            max_losses=task.max_losses,
            at_most_once=task.at_most_once,
            spawns=task.spawns,
        )
        decision = decide(before, event, policy)
        answers = model(task)
        after = self.views[key] = decision.node
        check_and_count(self.visits, [(before.state, after.state)])
        assert (after.state, after.attempt, after.failures, after.losses) == (
            *(task.state, task.attempt, task.failures, task.losses),
        )
        assert decision.acknowledgement in (answers or {OK})
        # What changes nothing is not called taken, and what is taken changes something.
        if isinstance(event, Finished):
            assert (decision.acknowledgement is OK) == (after != before)
        if after != before:
            assert not before.state.terminal
            assert (after.state is NodeState.FAILED) <= bool(decision.error)
            assert (decision.due_at is None) == (task.due is None)
            if decision.due_at is not None and task.due is not None:
                assert task.due[0] <= decision.due_at <= task.due[1]
        assert after.attempt in (before.attempt, before.attempt + isinstance(event, Leased))
        self.now += 1.0
        self.follow()

    def follow(self) -> None:
        """What waits is let go, or is blocked: the database does that."""
        while self.dispatch.follow(self.now):
            pass
        for key, task in self.dispatch.tasks.items():
            if self.views[key].state is NodeState.WAITING:
                self.views[key] = replace(self.views[key], state=task.state)
        if self.dispatch.status.at_rest:
            able = {NodeState.READY, NodeState.DELAYED, NodeState.DISPATCHING, NodeState.WAITING}
            assert not any(view.state in able or view.state.leased for view in self.views.values())

    def attempt(self, key: int, back: int) -> int:
        return max(1, self.views[key].attempt - back)

    @rule(which=WHICH)
    def lease(self, which: int) -> None:
        self.happen(self.key(which, _READY), Leased(), _lease)

    @rule(which=WHICH, back=BACK, state=TOLD)
    def tell(self, which: int, back: int, state: NodeState) -> None:
        key = self.key(which, _HELD)
        self.told(key, self.attempt(key, back), state)

    @rule(which=WHICH, back=BACK, outcome=OUTCOME, chance=CHANCE)
    def finish(self, which: int, back: int, outcome: Outcome, chance: float) -> None:
        key = self.key(which, _HELD | _READY)
        self.finished(key, self.attempt(key, back), outcome, chance)

    @rule(which=WHICH, back=BACK, how=HOW)
    def end_lease(self, which: int, back: int, how: LeaseEnd) -> None:
        key = self.key(which, _HELD)
        self.lease_ended(key, self.attempt(key, back), how)

    @rule(which=WHICH, back=BACK, status=ENDS, chance=CHANCE)
    def end_child(self, which: int, back: int, status: Status, chance: float) -> None:
        key = self.key(which, _DISPATCHING)
        self.child_ended(key, self.views[key].fenced - back, status, chance)

    @rule(which=WHICH, what=st.sampled_from(["due", "due", "reuse", "conclude", "cancel", "no pool"]))
    def befall(self, which: int, what: str) -> None:
        event, model, states = _BEFALL[what]
        self.happen(self.key(which, states), event, model)

    @rule(which=WHICH, told=st.none() | TOLD, end=OUTCOME | HOW | st.just("cancel"), status=st.none() | ENDS)
    def go(self, which: int, told: NodeState | None, end: Outcome | LeaseEnd | str, status: Status | None) -> None:
        """The usual course: leased, perhaps begun, ended in some way, as its sublattice does then."""
        key = self.key(which, _READY)
        self.happen(key, Leased(), _lease)
        attempt = self.attempt(key, 0)
        if told is not None:
            self.told(key, attempt, told)
        match end:
            case Outcome():
                self.finished(key, attempt, end, 0.5)
            case LeaseEnd():
                self.lease_ended(key, attempt, end)
            case _:
                self.happen(key, CancelRequested(), Task.cancelled)
        if status is not None:
            self.child_ended(key, attempt, status, 0.5)

    def told(self, key: int, attempt: int, state: NodeState) -> None:
        event = (Preparing if state is NodeState.PREPARING else Started)(attempt=attempt)
        self.happen(key, event, lambda task: task.told(attempt, state))

    def finished(self, key: int, attempt: int, outcome: Outcome, chance: float) -> None:
        event = Finished(attempt=attempt, outcome=outcome, at=self.now, chance=chance)
        self.happen(key, event, lambda task: task.finished(attempt, outcome, self.now, "value"))

    def lease_ended(self, key: int, attempt: int, how: LeaseEnd) -> None:
        self.happen(key, LeaseEnded(attempt=attempt, how=how), lambda task: task.lease_ended(attempt, how))

    def child_ended(self, key: int, attempt: int, status: Status, chance: float) -> None:
        event = ChildEnded(attempt=attempt, status=status, at=self.now, chance=chance)
        self.happen(key, event, lambda task: task.child_ended(attempt, status, self.now))


def _lease(task: Task) -> None:
    if task.state is NodeState.READY:
        task.leased()


_BEFALL: dict[str, tuple[NodeEvent, Callable[[Task], None], frozenset[NodeState]]] = {
    "due": (Due(), Task.time_came, frozenset({NodeState.DELAYED})),
    "reuse": (Reused(), Task.reused, _READY),
    "conclude": (Concluded(), Task.concluded, frozenset({NodeState.LEFT_TO_CLIENT})),
    "cancel": (CancelRequested(), Task.cancelled, frozenset(NodeState)),
    "no pool": (PoolFailed(reason="nowhere to run"), Task.pool_failed, _READY),
}
