"""No statement that is executed again and again reads a whole table, however many rows there are."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from covalent.wire.work import Completion, LeaseKey, Outcome
from covalent_server.core.errors import EndedDispatchError
from covalent_server.core.events import LeaseEnd
from covalent_server.db import (
    Session,
    details,
    dispatches,
    ending,
    graphs,
    happened,
    limits,
    listing,
    printing,
    reads,
    waking,
    work,
)
from tests.databases import SqliteDatabases
from tests.integration.db.conftest import opened
from tests.integration.db.happenings import Step, perform, prepare_pool
from tests.integration.engine.conftest import OWNER

#: Tables that grow with what users do.
_LARGE = re.compile(r"SCAN (node|dispatch|link|asset|asset_owner|event|stream|cached|child|parent\w*)\b")
#: Everything that somebody ever did, which grows as well.
_OF_AN_OWNER = re.compile(r"SEARCH dispatch USING .*\(owner=\?\)")
_STATEMENTS = ("SELECT", "UPDATE", "DELETE", "INSERT", "WITH")


@contextmanager
def planned(session: Session) -> Iterator[list[str]]:
    """How SQLite goes about each statement that is executed meanwhile."""
    driver = session.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    steps: list[str] = []
    executed: list[str] = []
    driver.set_trace_callback(executed.append)
    try:
        yield steps
    finally:
        driver.set_trace_callback(None)
    for statement in executed:
        if statement.lstrip().startswith(_STATEMENTS):
            steps.extend(row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}"))


def completed(key: int) -> work.Report:
    completion = Completion(key=LeaseKey(node=key, attempt=1, token=""), outcome=Outcome.FAILED, error="no")
    return work.Report(worker="w0", owner=OWNER, pool=1, want=9, started=[completion.key], completions=[completion])


def conclude(session: Session) -> None:
    with pytest.raises(EndedDispatchError):
        ending.conclude(session, OWNER, "dispatch-0-0", "0" * 64, [], 9.0)


#: Two sublattices are built and wait to become dispatches; another dispatch's tasks run.
_STORY = (
    Step(what="submit", which=3, at=0),
    Step(what="take", how=3, at=1),
    Step(what="report", how=1, at=2),
    Step(what="submit", which=1, at=3),
    Step(what="take", how=3, at=4),
)
OPERATIONS: dict[str, Callable[[Session], Any]] = {
    "looking for what is due": partial(waking.any_due, now=9.0),
    "waking what is due": partial(waking.wake, now=1e9),
    "looking for sublattices": partial(waking.unborn, after=0, limit=9),
    "looking for waiting pools": limits.ready_pools,
    "leasing": partial(work.report, incoming=work.Report(worker="w0", owner=OWNER, pool=1, want=9), now=9.0),
    "a failure": partial(work.report, incoming=completed(1), now=9.0),
    "a lost lease": partial(work.end_leases, leases=[(1, 1)], how=LeaseEnd.DIED, now=9.0),
    "cancelling a node": partial(ending.cancel, owner=OWNER, dispatch_id="dispatch-0-0", numbers=[0], now=9.0),
    "cancelling a dispatch": partial(ending.cancel, owner=OWNER, dispatch_id="dispatch-0-0", numbers=None, now=9.0),
    "a sublattice's end": partial(perform, step=Step(what="stillborn", at=9)),
    "a new sublattice": partial(perform, step=Step(what="spawn", at=9)),
    "a value that nobody waits for": conclude,
    "discarding": lambda session: dispatches.discard(
        session, dispatches.Begun(id="dispatch-0-0", key=1, root=1, first=1, at=1.0)
    ),
    "a dispatch": partial(reads.dispatch_record, owner=OWNER, dispatch_id="dispatch-0-0"),
    "a node": partial(reads.node_record, owner=OWNER, dispatch_id="dispatch-0-0", number=0),
    "printed text": partial(
        printing.printed,
        owner=OWNER,
        dispatch_id="dispatch-0-0",
        number=0,
        wanted=printing.Wanted(which="stdout", offset=5, limit=9),
    ),
    "a graph in columns": partial(graphs.columns, owner=OWNER, dispatch_id="dispatch-0-0", known=None),
    "where nodes stand": partial(graphs.states, owner=OWNER, dispatch_id="dispatch-0-0"),
    "a page of nodes": partial(listing.nodes, owner=OWNER, dispatch_id="dispatch-0-0", limit=9, after=0),
    "a dispatch in detail": partial(details.dispatch_detail, owner=OWNER, dispatch_id="dispatch-0-0"),
    "a node in detail": partial(details.node_detail, owner=OWNER, dispatch_id="dispatch-0-0", number=0),
    "news": partial(happened.news, owner=OWNER, after=1, limit=9, wanted=happened.Wanted(), behind=10_000),
}


def steps_of(session: Session, operation: Callable[[Session], Any]) -> list[str]:
    prepare_pool(session)
    for step in _STORY:
        perform(session, step)
    with planned(session) as steps:
        operation(session)
    return steps


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_large_table_is_read_from_end_to_end(sqlite_databases: SqliteDatabases, operation: str) -> None:
    with sqlite_databases.migrated() as url, opened(url) as do:
        steps = do(partial(steps_of, operation=OPERATIONS[operation]))
    assert steps
    assert [step for step in steps if _LARGE.search(step) or _OF_AN_OWNER.search(step)] == []


def test_moving_a_node_makes_no_table_for_what_its_indexes_ask_of_it(sqlite_databases: SqliteDatabases) -> None:
    """As SQLite does for a list of more than two in an index's condition."""
    moving = "EXPLAIN UPDATE node SET state = 'RUNNING', worker = 'w', due_at = NULL WHERE key = 1"
    with sqlite_databases.migrated() as url, opened(url) as do:
        steps = do(lambda session: [row[1] for row in session.exec_driver_sql(moving)])
    assert "IdxDelete" in steps
    assert "OpenEphemeral" not in steps
