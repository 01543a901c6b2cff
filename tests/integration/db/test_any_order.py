"""Whatever happens in whatever order: the books are right after every step, nothing is lost, and everything ends."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from covalent.status import Status
from covalent_server.core.errors import UnknownNodeError
from covalent_server.core.states import NodeState
from covalent_server.db import AnyRow, Session
from covalent_server.db.tables import dispatch, link, node
from tests.databases import Databases, PostgresDatabases, SqliteDatabases, dump
from tests.integration.db.conftest import opened
from tests.integration.db.happenings import Step, perform, prepare_pool, settle, steps
from tests.integration.db.test_writer import Operation, Paused

#: How many steps there are.
_SOME = (20, 60)
#: Steps to the end of everything, at most.
_END = 400


def nodes(session: Session) -> dict[int, AnyRow]:
    return {row.key: row for row in session.execute(select(node))}


def dispatches(session: Session) -> dict[int, AnyRow]:
    return {row.key: row for row in session.execute(select(dispatch).where(dispatch.c.complete == 1))}


def check_books(session: Session) -> None:
    """Counters, states and links agree."""
    found, known = nodes(session), dispatches(session)
    unmet: Counter[int] = Counter()
    for parent, child, _ in session.execute(select(link)):
        unmet[child] += found[parent].state != NodeState.COMPLETED
        if found[child].state == NodeState.WAITING:
            assert found[parent].state not in (NodeState.FAILED, NodeState.CANCELLED, NodeState.BLOCKED)
    for row in found.values():
        if row.dispatch in known:
            check_node(row, unmet[row.key], held=known[row.dispatch].status == Status.NEW_OBJECT)
    for key, row in known.items():
        check_dispatch(row, Counter(NodeState(item.state) for item in found.values() if item.dispatch == key))
    alive = Counter(row.parent for row in known.values() if row.parent is not None and row.ended_at is None)
    for parent, children in alive.items():
        assert (children, found[parent].state) == (1, NodeState.DISPATCHING)


def check_node(row: AnyRow, unmet: int, *, held: bool) -> None:
    state = NodeState(row.state)
    assert row.remaining == unmet
    assert (row.worker is not None) == state.leased
    assert (row.due_at is not None) == (state is NodeState.DELAYED)
    assert (row.output is not None) == (state in (NodeState.COMPLETED, NodeState.DISPATCHING))
    if state is NodeState.WAITING:
        assert unmet or held
    if state.leased or state in (NodeState.READY, NodeState.DELAYED, NodeState.DISPATCHING):
        assert not unmet
    if state is NodeState.FAILED:
        assert row.error


def check_dispatch(row: AnyRow, states: Counter[NodeState]) -> None:
    status = Status(row.status)
    still = sum(number for state, number in states.items() if not state.terminal)
    assert row.unfinished == still - states[NodeState.LEFT_TO_CLIENT]
    assert (row.failed, row.cancelled) == (states[NodeState.FAILED], states[NodeState.CANCELLED])
    assert status.terminal == (row.ended_at is not None)
    assert status.at_rest == (not row.unfinished)
    if status is Status.COMPLETED:
        assert row.result is not None
        assert states[NodeState.COMPLETED] == states.total()
    if row.failed:
        assert status in (Status.RUNNING, Status.POSTPROCESSING, Status.FAILED, Status.FAILED_POSTPROCESSING)
        assert not status.terminal or row.error


def check_ends(before: dict[int, AnyRow], after: dict[int, AnyRow]) -> None:
    """What has ended stays as it is; of a node its parents are counted on."""
    for key, row in before.items():
        if row.ended_at is not None:
            changed = {name for name, value in row._mapping.items() if value != after[key]._mapping[name]}
            assert changed <= {"remaining"}


def told(session: Session, happened: Sequence[Step]) -> None:
    """The steps one after the other, each looked at."""
    seen_nodes, seen = nodes(session), dispatches(session)
    for step in happened:
        with suppress(UnknownNodeError):
            perform(session, step)
        check_books(session)
        check_ends(seen, dispatches(session))
        check_ends(seen_nodes, nodes(session))
        seen_nodes, seen = nodes(session), dispatches(session)


def examples(number: int) -> settings:
    """How many are tried: on PostgreSQL, where a database of its own for each takes its time, fewer."""
    return settings(max_examples=number, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@examples(40)
@given(happened=steps(*_SOME))
def test_the_books_are_right_after_every_step_and_everything_ends(
    sqlite_databases: SqliteDatabases, happened: list[Step]
) -> None:
    tell_to_the_end(sqlite_databases, happened)


@examples(5)
@given(happened=steps(*_SOME))
def test_the_books_are_right_after_every_step_and_everything_ends_on_postgresql(
    postgres_databases: PostgresDatabases, happened: list[Step]
) -> None:
    tell_to_the_end(postgres_databases, happened)


def tell_to_the_end(databases: Databases, happened: Sequence[Step]) -> None:
    with databases.migrated() as url, opened(url) as do:
        do(prepare_pool)
        do(partial(told, happened=happened))
        for at in range(_END):
            do(partial(settle, at=10_000 * (at + 1)))
            do(check_books)
            if not do(unended):
                break
        assert not do(unended)


def unended(session: Session) -> list[str]:
    """The dispatches that have been started and neither have ended nor wait for their user."""
    known = [Status(row.status) for row in dispatches(session).values()]
    return [status for status in known if not status.at_rest and status is not Status.NEW_OBJECT]


@examples(40)
@given(happened=steps(*_SOME), cuts=st.sets(st.integers(1, _SOME[1])))
def test_any_batching_gives_the_same_database_as_one_by_one(
    sqlite_databases: SqliteDatabases, happened: list[Step], cuts: set[int]
) -> None:
    batch(sqlite_databases, happened, cuts)


@examples(5)
@given(happened=steps(*_SOME), cuts=st.sets(st.integers(1, _SOME[1])))
def test_any_batching_gives_the_same_database_as_one_by_one_on_postgresql(
    postgres_databases: PostgresDatabases, happened: list[Step], cuts: set[int]
) -> None:
    batch(postgres_databases, happened, cuts)


def batch(databases: Databases, happened: Sequence[Step], cuts: set[int]) -> None:
    operations: list[Operation] = [partial(perform, step=step) for step in happened]
    bounds = [0, *sorted(cut for cut in cuts if cut < len(operations)), len(operations)]
    batches = [operations[start:stop] for start, stop in itertools.pairwise(bounds)]
    outcomes = []
    for plan in ([[operation] for operation in operations], batches):
        with databases.migrated() as url:
            paused = Paused(url)
            try:
                values = paused.run([[prepare_pool], *plan])
            finally:
                paused.writer.close()
            assert {type(value) for value in values} <= {type(None), UnknownNodeError}
            outcomes.append(([type(value) for value in values], dump(url)))
    assert outcomes[0] == outcomes[1]
