"""Two databases and the model, side by side.

One is told of everything singly, each thing in a transaction of its own, the other as workers do it: many things in
one report. They have to hold the same, and what the model says.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from sqlalchemy import select

from covalent.status import Status
from covalent.wire import places
from covalent.wire.manifest import Kind, Manifest, Node
from covalent.wire.work import Completion, LeaseKey, Outcome
from covalent_server.core.events import LeaseEnd
from covalent_server.core.states import NodeState
from covalent_server.db import Session, assets, dispatches, ending, tables, waking, work
from covalent_server.db.dispatches import NewDispatch
from covalent_server.db.engines import open_engine
from covalent_server.engine.submission import prepare
from covalent_server.executors.registry import Machine
from tests import builders
from tests.builders import manifest, take
from tests.integration.engine.conftest import OWNER, submission
from tests.lifecycles.model import OK, Dispatch, Task
from tests.lifecycles.visits import check_and_count

#: What an attempt gives tells attempts apart, so that it is seen which one was taken.
_VALUES: Final = [builders.asset(f"value {number}") for number in range(4)]
_STORED: Final = [
    assets.NewAsset(digest=builders.digest(data), size=len(data), preview="{}", data=data) for data in _VALUES
]
#: Longer than any pause.
_LONG: Final = 1e6
_LARGEST: Final = 40
WHICH: Final = st.integers(0, 23)
SELDOM: Final = st.integers(0, 4)
TOLD: Final = st.sampled_from([NodeState.PREPARING, NodeState.RUNNING])
OUTCOME: Final = st.sampled_from([*[Outcome.COMPLETED] * 2, *Outcome])
#: What a task is made of: its parents, its policy, and what kind it is.
Made = list[tuple[frozenset[int], int, float, str]]


@st.composite
def graphs(draw: st.DrawFn, *, flat: bool = False) -> Made:
    """Some tasks, linked; the last may be left to the client."""
    made: Made = []
    count = draw(st.integers(1, 3 if flat else 4))
    for number in range(count):
        parents = draw(st.frozensets(st.sampled_from(range(number)), max_size=3)) if number else frozenset()
        kinds = ["plain", "plain", "once", "spawns"] + ["cached"] * (not parents)
        kind = draw(st.sampled_from(kinds if number + 1 < count or flat else [*kinds, "client", "collect"]))
        retries = 0 if kind == "once" else draw(st.sampled_from([0, 1, 2, 2]))
        made.append((parents, retries, draw(st.sampled_from([0.0, 100.0])), kind))
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a worker says of one attempt."""

    which: int
    what: NodeState | Outcome


class DatabaseMachine(RuleBasedStateMachine):
    """Whatever may happen to a database, in any order."""

    visits: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.single, self.grouped = _Database(), _Database()
        self.now = 1.0
        self.dispatches: dict[str, Dispatch] = {}
        self.tasks: dict[int, Task] = {}
        self.outputs: dict[str, str] = {}
        #: Every attempt that was ever leased, as (node, attempt).
        self.leases: list[tuple[int, int]] = []
        #: The nodes as they stood before what happened last.
        self.seen: dict[int, Any] = {}

    def teardown(self) -> None:
        try:
            assert self.single.told() == self.grouped.told()
        finally:
            for database in (self.single, self.grouped):
                database.close()

    # What happens.

    @initialize(made=graphs())
    def begin(self, made: Made) -> None:
        self._submitted(made, None)

    @rule(made=graphs())
    def submit(self, made: Made) -> None:
        if sum(not task.ended for task in self.tasks.values()) < _LARGEST:
            self._submitted(made, None)

    @rule(want=st.integers(1, 6))
    def take(self, want: int) -> None:
        """A worker asks for tasks; which of those that are ready it gets is the database's to say."""
        report = work.Report(worker="w", owner=OWNER, pool=1, want=want)
        before = {key: task.state for key, task in self.tasks.items()}
        outcome = self._both(lambda session: work.report(session, report, self.now))
        for item in outcome.leased:
            self.tasks[item.key].leased()
            assert item.attempt == self.tasks[item.key].attempt
            self.leases.append((item.key, item.attempt))
        found = self.single.nodes()
        for key, task in self.tasks.items():
            if task.label in self.outputs and found[key].state == NodeState.COMPLETED:
                task.reused(self.outputs[task.label])
        ready = NodeState.READY in before.values()
        assert bool(outcome.leased or outcome.reused) == ready, "who asks gets something if there is anything"
        assert len(outcome.leased) <= want
        self._follow()

    @rule(want=st.integers(1, 4), told=st.none() | TOLD, ends=st.lists(st.none() | OUTCOME, max_size=4))
    def go(self, want: int, told: NodeState | None, ends: Sequence[Outcome | None]) -> None:
        """The usual course: some tasks are taken, perhaps begun, and end in some way, or not yet."""
        before = len(self.leases)
        self.take(want=want)
        latest = range(min(len(self.leases) - before, 8))
        if told is not None:
            self.report(said=[Said(which=which, what=told) for which in latest])
        ended = [Said(which=which, what=end) for which, end in zip(latest, ends, strict=False) if end is not None]
        self.report(said=ended)

    @rule(said=st.lists(st.builds(Said, which=WHICH, what=TOLD | OUTCOME), min_size=1, max_size=5))
    def report(self, said: Sequence[Said]) -> None:
        """A worker tells of several attempts, mostly of late ones, in one message."""
        if not (said and self.leases):
            return
        chosen = [(self._lease(item.which), item.what) for item in said]
        preparing = [key for key, what in chosen if what is NodeState.PREPARING]
        started = [key for key, what in chosen if what is NodeState.RUNNING]
        ends = [(key, what) for key, what in chosen if isinstance(what, Outcome)]
        # What has begun is told first, as the report itself does it; what also ended, or also began, is left out.
        ended = {key for key, _ in ends}
        started = [key for key in dict.fromkeys(started) if key not in ended]
        preparing = [key for key in dict.fromkeys(preparing) if key not in ended and key not in started]
        singly = [
            *(self._reported(started=[key]) for key in started),
            *(self._reported(preparing=[key]) for key in preparing),
            *(self._reported(ends=[end]) for end in ends),
        ]
        told = [self.single.do(one, at=self.now) for one in singly]
        answers = [answer for outcome in told for answer in outcome.acknowledgements]
        begin = [key for outcome in told for key in outcome.begin]
        together = self.grouped.do(self._reported(started, preparing, ends), at=self.now)
        assert (together.acknowledgements, together.begin) == (answers, begin)
        for state, keys in ((NodeState.RUNNING, started), (NodeState.PREPARING, preparing)):
            for key, attempt in keys:
                self.tasks[key].told(attempt, state)
        # As it stands when all that began has been noted, before anything ends.
        assert begin == [_key(lease) for lease in started if self.tasks[lease[0]].may_begin(lease[1])]
        for ((key, attempt), outcome), answer in zip(ends, answers, strict=True):
            task = self.tasks[key]
            allowed = task.finished(attempt, outcome, self.now, _output(attempt))
            assert answer in allowed
            if answer is OK and task.state is NodeState.COMPLETED and task.label is not None:
                self.outputs.setdefault(task.label, _output(attempt))
        self._follow()

    @rule(which=st.lists(WHICH, min_size=1, max_size=4), how=st.sampled_from(LeaseEnd))
    def lose(self, which: Sequence[int], how: LeaseEnd) -> None:
        leases = list(dict(self._lease(item) for item in which if self.leases).items())
        for lease in leases:
            self.single.do(_lost([lease], how, self.now), at=self.now)
        self.grouped.do(_lost(leases, how, self.now), at=self.now)
        for key, attempt in leases:
            self.tasks[key].lease_ended(attempt, how)
        self._follow()

    @rule(which=WHICH, made=graphs(flat=True), stillborn=st.sampled_from([False, False, True]))
    def spawn(self, which: int, made: Made, stillborn: bool) -> None:
        """What waits to become a dispatch becomes one, or cannot."""
        waiting = self._both(lambda session: waking.unborn(session, 0, 100))
        expected = {key for key, task in self.tasks.items() if task.state is NodeState.DISPATCHING}
        born = {item.parent[0] for item in self.dispatches.values() if item.parent and not item.status.at_rest}
        assert {item.node for item in waiting} == {key for key in expected if self.tasks[key] not in born}
        if not waiting:
            return
        item = waiting[which % len(waiting)]
        task = self.tasks[item.node]
        if stillborn:
            self._both(lambda session: waking.stillborn(session, item, "no", self.now))
            task.child_ended(item.attempt, Status.FAILED, self.now)
            self._follow()
        else:
            self._submitted(made, (item.node, item.attempt))

    @rule(which=WHICH, node=st.none() | WHICH, seldom=SELDOM)
    def cancel(self, which: int, node: int | None, seldom: int) -> None:
        """A dispatch ends, or one of its nodes, with all that is open in their sublattices."""
        if seldom:
            return
        name = list(self.dispatches)[which % len(self.dispatches)]
        dispatch = self.dispatches[name]
        keys = list(dispatch.tasks) if node is None else [list(dispatch.tasks)[node % len(dispatch.tasks)]]
        numbers = None if node is None else [node % len(dispatch.tasks)]
        self._both(lambda session: ending.cancel(session, OWNER, name, numbers, self.now))
        self._cancelled(keys)
        if node is None and dispatch.status is Status.PENDING_POSTPROCESSING:
            dispatch.status = Status.CANCELLED
        self._follow()

    @rule(pause=st.sampled_from([1.0, _LONG]))
    def wake(self, pause: float) -> None:
        """Time passes, more or less than what waits for it needs."""
        self.now += pause
        self._both(lambda session: waking.wake(session, self.now))
        for task in self.tasks.values():
            if task.due is not None and task.due[1] <= self.now:
                task.time_came()
        self._follow()

    @rule(seldom=SELDOM)
    def fail_pool(self, seldom: int) -> None:
        if not seldom:
            self._both(lambda session: work.fail_pool(session, 1, "no worker", self.now))
            for task in self.tasks.values():
                task.pool_failed()
            self._follow()

    @rule(which=WHICH)
    def conclude(self, which: int) -> None:
        """A client brings what was left to it."""
        waiting = [name for name, item in self.dispatches.items() if item.status is Status.PENDING_POSTPROCESSING]
        if waiting:
            name = waiting[which % len(waiting)]
            value = _STORED[0]
            self._both(lambda session: ending.conclude(session, OWNER, name, value.digest, [value], self.now))
            dispatch = self.dispatches[name]
            dispatch.tasks[dispatch.last].concluded(value.digest)
            dispatch.status = Status.COMPLETED
            self._follow()

    # What has to hold.

    def check(self) -> None:
        """Hold the databases against the model and against each other."""
        found, statuses = self.single.nodes(), self.single.statuses()
        assert statuses == self.grouped.statuses()
        grouped = self.grouped.nodes()
        for key, row in found.items():
            # By how much chance lengthens a pause is all that may differ.
            assert _but_for_chance(row) == _but_for_chance(grouped[key])
            check_pause(grouped[key], self.tasks[key])
        seen = self.seen
        moves = [(seen.get(key, row).state, row.state) for key, row in found.items()]
        check_and_count(self.visits, [(NodeState(before), NodeState(after)) for before, after in moves])
        for name, dispatch in self.dispatches.items():
            for key, task in dispatch.tasks.items():
                check_node(found[key], task)
                assert found[key].remaining == sum(
                    dispatch.tasks[parent].state is not NodeState.COMPLETED for parent in task.parents
                )
            busy = any(not (task.ended or task.state is NodeState.LEFT_TO_CLIENT) for task in dispatch.tasks.values())
            assert busy == (not dispatch.status.at_rest)
            assert _plain(statuses[name]) is dispatch.status
        for key, before in seen.items():
            after = found[key]
            assert after.attempt in (before.attempt, before.attempt + 1)
            if NodeState(before.state).terminal:
                assert (after.state, after.attempt, after.output) == (before.state, before.attempt, before.output)
        self.seen = found

    # How it happens.

    def _submitted(self, made: Made, parent: tuple[int, int] | None) -> None:
        name = f"dispatch-{len(self.dispatches)}"
        new = replace(prepare(submission(_manifest(made)), Machine(host=places.host_identity())), id=name)
        if parent is not None:
            new = replace(new, parent=parent, idempotency_key=f"§{parent[0]}.{parent[1]}")
        first = self._both(partial(_written, new=new, now=self.now))
        tasks = {
            first + number: Task(
                parents=frozenset(first + parent for parent in parents),
                retries=retries,
                retry_delay=delay,
                spawns=kind == "spawns",
                at_most_once=kind == "once",
                label=kind if kind == "cached" else None,
                state=NodeState.LEFT_TO_CLIENT if kind == "client" else NodeState.WAITING,
            )
            for number, (parents, retries, delay, kind) in enumerate(made)
        }
        self.dispatches[name] = Dispatch(
            tasks=tasks, last=max(tasks), parent=None if parent is None else (self.tasks[parent[0]], parent[1])
        )
        self.tasks |= tasks
        self._follow()

    def _lease(self, which: int) -> tuple[int, int]:
        """An attempt, mostly one of the latest."""
        count = len(self.leases)
        return self.leases[count - 1 - which % min(count, 8 if which % 4 else count)]

    def _reported(
        self,
        started: Sequence[tuple[int, int]] = (),
        preparing: Sequence[tuple[int, int]] = (),
        ends: Sequence[tuple[tuple[int, int], Outcome]] = (),
    ) -> Callable[[Session], Any]:
        report = work.Report(
            worker="w",
            owner=OWNER,
            pool=1,
            want=0,
            assets=_STORED,
            started=[_key(lease) for lease in started],
            preparing=[_key(lease) for lease in preparing],
            completions=[
                Completion(key=_key(lease), outcome=outcome, output=_output(lease[1]), error="no")
                for lease, outcome in ends
            ],
        )
        return lambda session: work.report(session, report, self.now)

    def _cancelled(self, keys: Iterable[int]) -> None:
        for key in keys:
            task = self.tasks[key]
            if task.state is NodeState.DISPATCHING:
                for child in self.dispatches.values():
                    if child.parent == (task, task.noted) and not child.status.at_rest:
                        self._cancelled(child.tasks)
        for key in keys:
            self.tasks[key].cancelled()

    def _both(self, operation: Callable[[Session], Any]) -> Any:
        """Something that happens to one thing only is the same for both databases; what came of it."""
        self.grouped.do(operation, at=self.now)
        return self.single.do(operation, at=self.now)

    def _follow(self) -> None:
        """See to all that follows."""
        while any(dispatch.follow(self.now) for dispatch in self.dispatches.values()):
            pass
        self.check()


def check_pause(row: Any, task: Task) -> None:
    assert (row.due_at is None) == (task.due is None)
    if task.due is not None:
        assert task.due[0] <= row.due_at <= task.due[1]


def _but_for_chance(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name != "due_at"}


def check_node(row: Any, task: Task) -> None:
    assert (row.state, row.attempt, row.failures, row.losses, row.output) == (
        *(task.state, task.attempt, task.failures, task.losses, task.output),
    )
    check_pause(row, task)
    assert (row.state == NodeState.FAILED) <= bool(row.error)


class _Database:
    """A database in memory."""

    def __init__(self) -> None:
        self._engine = open_engine("sqlite://", writes=True)
        self._connection = self._engine.connect()
        with self._connection.begin():
            tables.metadata.create_all(self._connection)
        self.do(
            partial(
                dispatches.pool_id, owner=OWNER, place=dispatches.Place(executor="local", place="/nowhere/python3")
            ),
            at=0.0,
        )

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()

    def do(self, operation: Callable[[Session], Any], *, at: float) -> Any:
        """Run an operation in a transaction of its own."""
        random.seed(at)
        with self._connection.begin():
            return operation(self._connection)

    def _all(self, statement: Any) -> list[Any]:
        return list(self.do(lambda session: session.execute(statement).all(), at=0.0))

    def nodes(self) -> dict[int, Any]:
        return {row.key: row for row in self._all(select(tables.node))}

    def statuses(self) -> dict[str, Status]:
        return {row.id: Status(row.status) for row in self._all(select(tables.dispatch.c.id, tables.dispatch.c.status))}

    def told(self) -> list[Any]:
        """All else that it holds; of events not how those of different dispatches lie between each other."""
        event = tables.event
        events = select(event.c.at, event.c.kind, event.c.dispatch, event.c.node, event.c.attempt)
        others = (tables.dispatch, tables.link, tables.cached, tables.asset_owner)
        return [
            *(self._all(select(table)) for table in others),
            self._all(events.order_by(event.c.dispatch, event.c.node, event.c.sequence)),
        ]


def _manifest(made: Made) -> Manifest:
    nodes: list[Node] = []
    for number, (parents, retries, delay, kind) in enumerate(made):
        given = [take(parent) for parent in sorted(parents)]
        made_of = {"client": Kind.COLLECT, "collect": Kind.COLLECT, "spawns": Kind.SUBLATTICE}.get(kind, Kind.TASK)
        arguments = [{"list": given}] if made_of is Kind.COLLECT else given
        node = builders.node(
            number, *arguments, kind=made_of, function_id="f", executor="client" if kind == "client" else "local"
        )
        metadata = replace(
            node.metadata, retries=retries, retry_delay=delay, cache=kind == "cached", at_most_once=kind == "once"
        )
        nodes.append(replace(node, metadata=metadata))
    return manifest(nodes)


def _written(session: Session, new: NewDispatch, now: float) -> int:
    """Write a dispatch; the first of its nodes' keys."""
    begun = dispatches.begin(session, new, now)
    dispatches.add_nodes(session, begun, new, 0, len(new.nodes))
    dispatches.add_links(session, begun, new, 0, len(new.links))
    dispatches.release(session, begun, new, now)
    return begun.first


def _lost(leases: Sequence[tuple[int, int]], how: LeaseEnd, now: float) -> Callable[[Session], Any]:
    return lambda session: work.end_leases(session, leases, how, now)


def _key(lease: tuple[int, int]) -> LeaseKey:
    return LeaseKey(node=lease[0], attempt=lease[1], token="")


def _output(attempt: int) -> str:
    return _STORED[attempt % len(_STORED)].digest


def _plain(status: Status) -> Status:
    """A status without what is said of the task that puts the value together."""
    return {Status.POSTPROCESSING: Status.RUNNING, Status.FAILED_POSTPROCESSING: Status.FAILED}.get(status, status)
