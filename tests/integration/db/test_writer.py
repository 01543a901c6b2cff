"""Group commit: answered after the commit, and neighbours unharmed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from covalent_server.db import Session, identity
from covalent_server.db.engines import open_engine
from covalent_server.db.writer import Writer
from tests.databases import SqliteDatabases, execute, fetch

Operation = Callable[[Session], Any]


def hold(gate: threading.Event, _: Session) -> None:
    gate.wait(60)


class Paused:
    """A writer whose first operation holds it, so that what is queued meanwhile becomes one batch."""

    def __init__(self, url: str) -> None:
        self.writer = Writer(open_engine(url, writes=True))
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


def test_a_failing_operation_fails_alone(database_url: str) -> None:
    def write(name: str) -> Operation:
        return lambda session: identity.fact(session, name, "value")

    def fail(session: Session) -> None:
        identity.fact(session, "half done", "value")
        raise RuntimeError("no")

    paused = Paused(database_url)
    try:
        values = paused.run([[write("before"), fail, write("after")]])
    finally:
        paused.writer.close()
    assert isinstance(values[1], RuntimeError)
    assert fetch(database_url, "SELECT name FROM setting WHERE value = 'value' ORDER BY name") == [
        ("after",),
        ("before",),
    ]


def test_what_cannot_be_committed_is_the_error_of_its_caller(database_url: str) -> None:
    execute(database_url, "CREATE TABLE parent (key INTEGER PRIMARY KEY)")
    execute(
        database_url,
        "CREATE TABLE child (parent INTEGER, FOREIGN KEY (parent) REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
    )
    engine = open_engine(database_url, writes=True)

    @event.listens_for(engine, "connect")
    def look_at_parents(connection: Any, _: object) -> None:
        if engine.dialect.name == "sqlite":
            connection.execute("PRAGMA foreign_keys=ON")

    def orphan(session: Session) -> str:
        session.exec_driver_sql("INSERT INTO child VALUES (1)")  # looked at when it is committed
        return "done"

    writer = Writer(engine)
    writer.start()
    try:
        assert isinstance(writer.submit(orphan).exception(60), IntegrityError)
    finally:
        writer.close()


def test_an_operation_that_nobody_waits_for_any_more_stops_nothing(database_url: str) -> None:
    paused = Paused(database_url)
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


def test_what_is_queued_meanwhile_shares_one_commit(database_url: str) -> None:
    paused = Paused(database_url)
    try:
        paused.run([[partial(identity.fact, name=f"fact {number}", default="x") for number in range(100)]])
        assert paused.writer.operations == 101
        assert paused.writer.commits <= 3
    finally:
        paused.writer.close()


def test_a_commit_waits_for_the_disk(sqlite_databases: SqliteDatabases) -> None:
    with sqlite_databases.empty() as url:
        engine = open_engine(url, writes=True)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        engine.dispose()


def test_a_reader_cannot_write(database_url: str) -> None:
    engine = open_engine(database_url, writes=False)
    with engine.connect() as connection, pytest.raises(Exception, match=r"readonly|read-only transaction"):
        identity.fact(connection, "name", "value")
    engine.dispose()
