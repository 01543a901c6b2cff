"""Group commit: answered after the commit, neighbours unharmed, and any batching gives the same database."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covalent.wire import places
from covalent.wire.work import Completion, LeaseKey, Outcome
from covalent_server.db import Session, assets, dispatches, identity, migrate, work
from covalent_server.db.engines import open_engine
from covalent_server.db.writer import Writer
from covalent_server.engine.submission import prepare
from tests import builders
from tests.builders import manifest, node, take
from tests.integration.engine.conftest import OWNER, submission

Operation = Callable[[Session], Any]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A migrated database's bytes."""
    path = tmp_path_factory.mktemp("template") / "covalent.db"
    migrate.upgrade(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path.read_bytes()


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def hold(gate: threading.Event, _: Session) -> None:
    gate.wait(60)


class Paused:
    """A writer whose first operation holds it, so that what is queued meanwhile becomes one batch."""

    def __init__(self, path: Path) -> None:
        self.writer = Writer(open_engine(f"sqlite:///{path}", writes=True))
        self.writer.start()

    def run(self, batches: Sequence[Sequence[Operation]]) -> list[Any]:
        values = []
        for batch in batches:
            gate = threading.Event()
            held = self.writer.submit(partial(hold, gate))
            # The writer takes its first operation alone: wait until it has it, then queue the batch behind it.
            futures = [self.writer.submit(operation) for operation in batch]
            gate.set()
            held.result(60)
            values += [future.exception(60) or future.result() for future in futures]
        return values


def story() -> list[Operation]:
    """Two dispatches from submission to end, with completions that come twice, late and forged."""
    graphs = [
        manifest([node(0), node(1), node(2, take(0), take(1)), node(3, take(2))]),
        manifest([node(0), node(1, take(0)), node(2, take(0)), node(3, take(1), take(2))]),
    ]
    operations: list[Operation] = [
        lambda session: dispatches.pool_id(
            session, OWNER, dispatches.Place(executor="local", place="/nowhere/python3")
        ),
        lambda session: identity.add_worker(
            session, identity.WorkerRow(id="w", pool=1, host="h", pid=1, features=()), 1.0
        ),
    ]
    for number, graph in enumerate(graphs):
        new = prepare(submission(graph), places.host_identity())
        named = dispatches.NewDispatch(
            **{name: getattr(new, name) for name in new.__slots__} | {"id": f"dispatch-{number}"}
        )
        operations.append(partial(whole, new=named))
    value = builders.asset("value")
    stored = assets.NewAsset(digest=builders.digest(value), size=len(value), preview="{}", data=value)
    for key, attempt, outcome in [
        (1, 1, "completed"),
        (2, 1, "completed"),
        (1, 1, "completed"),
        (5, 1, "failed"),
        (3, 1, "completed"),
        (9, 1, "completed"),
        (4, 7, "completed"),
        (4, 1, "completed"),
    ]:
        completion = Completion(
            key=LeaseKey(node=key, attempt=attempt, token=""),
            outcome=Outcome(outcome),
            output=stored.digest,
            error="no",
        )
        report = work.Report(worker="w", owner=OWNER, pool=1, want=2, assets=[stored], completions=[completion])
        operations.append(partial(work.report, incoming=report, now=2.0))
    return operations


def whole(session: Session, new: dispatches.NewDispatch) -> None:
    begun = dispatches.begin(session, new, 1.0)
    dispatches.add_nodes(session, begun, new, 0, len(new.nodes))
    dispatches.add_links(session, begun, new, 0, len(new.links))
    dispatches.release(session, begun, new, 1.0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.sets(st.integers(1, 11)))
def test_any_batching_gives_the_same_database_as_one_by_one(template: bytes, tmp_path: Path, cuts: set[int]) -> None:
    one_by_one, batched = tmp_path / "one.db", tmp_path / "batched.db"
    operations = story()
    bounds = [0, *sorted(cut for cut in cuts if cut < len(operations)), len(operations)]
    batches = [operations[start:stop] for start, stop in itertools.pairwise(bounds)]
    for path, plan in ((one_by_one, [[operation] for operation in operations]), (batched, batches)):
        for leftover in tmp_path.glob(f"{path.name}*"):
            leftover.unlink()
        path.write_bytes(template)
        paused = Paused(path)
        try:
            assert not [value for value in paused.run(plan) if isinstance(value, Exception)]
        finally:
            paused.writer.close()
    assert dump(one_by_one) == dump(batched)


def test_a_failing_operation_fails_alone(template: bytes, tmp_path: Path) -> None:
    path = tmp_path / "covalent.db"
    path.write_bytes(template)

    def write(name: str) -> Operation:
        return lambda session: identity.fact(session, name, "value")

    def fail(session: Session) -> None:
        identity.fact(session, "half done", "value")
        raise RuntimeError("no")

    paused = Paused(path)
    try:
        values = paused.run([[write("before"), fail, write("after")]])
    finally:
        paused.writer.close()
    assert isinstance(values[1], RuntimeError)
    connection = sqlite3.connect(path)
    assert {name for (name,) in connection.execute("SELECT name FROM setting")} == {"before", "after"}
    connection.close()


def test_an_operation_that_nobody_waits_for_any_more_stops_nothing(template: bytes, tmp_path: Path) -> None:
    path = tmp_path / "covalent.db"
    path.write_bytes(template)
    paused = Paused(path)
    gate = threading.Event()
    try:
        held = paused.writer.submit(partial(hold, gate))
        withdrawn = [paused.writer.submit(partial(identity.fact, name="withdrawn", default="x")) for _ in range(3)]
        assert all(future.cancel() for future in withdrawn)
        gate.set()
        held.result(60)
        assert paused.writer.submit(partial(identity.fact, name="after", default="x")).result(60) == "x"
    finally:
        paused.writer.close()


def test_what_is_queued_meanwhile_shares_one_commit(template: bytes, tmp_path: Path) -> None:
    path = tmp_path / "covalent.db"
    path.write_bytes(template)
    paused = Paused(path)
    try:
        paused.run([[partial(identity.fact, name=f"fact {number}", default="x") for number in range(100)]])
        assert paused.writer.operations == 101
        assert paused.writer.commits <= 3
    finally:
        paused.writer.close()


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'covalent.db'}", writes=True)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()


def test_a_reader_cannot_write(template: bytes, tmp_path: Path) -> None:
    path = tmp_path / "covalent.db"
    path.write_bytes(template)
    engine = open_engine(f"sqlite:///{path}", writes=False)
    with engine.connect() as connection, pytest.raises(Exception, match="readonly"):
        identity.fact(connection, "name", "value")
    engine.dispose()
