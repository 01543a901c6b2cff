"""PostgreSQL breaks off, restarts or stays away: what was asked for happens once, and whoever asked is told."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError, OperationalError

from covalent_server.db import Session, identity
from covalent_server.db.engines import open_engine
from covalent_server.db.outages import Outage, is_outage
from covalent_server.db.reader import Reader
from covalent_server.db.tables import event
from covalent_server.db.transactions import take_turn
from covalent_server.db.writer import Writer
from covalent_server.errors import DatabaseUnavailableError
from covalent_server.web.errors import problem
from tests.databases import PostgresDatabases, fetch, make_postgres_template
from tests.installation import wait_until
from tests.integration.db.breaking import Breaks, breaker
from tests.postgres import Cluster


@pytest.fixture
def url(postgres_databases: PostgresDatabases) -> Iterator[str]:
    with postgres_databases.migrated() as made:
        yield made


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """One that may be stopped, and is to be started again."""
    with Cluster() as made:
        yield made


class Noting:
    """An operation that leaves a row behind each time that it takes place, and something happens on its first run."""

    def __init__(self, happens: Callable[[Session], object] = lambda _: None) -> None:
        self.runs = 0
        self._happens = happens

    def __call__(self, session: Session) -> int:
        self.runs += 1
        session.execute(insert(event).values(at=1.0, kind="noted"))
        if self.runs == 1:
            self._happens(session)
        return self.runs


def noted(url: str) -> int:
    return len(fetch(url, "SELECT sequence FROM event WHERE kind = 'noted'"))


def written(url: str, operation: Noting) -> int:
    writer = Writer(open_engine(url, writes=True))
    writer.start()
    try:
        writer.submit(partial(identity.fact, name="a fact", default="of before")).result(60)
        return writer.submit(operation).result(60)
    finally:
        writer.close()


@pytest.mark.parametrize(("breaks", "runs"), [(Breaks.ON_ITS_WAY, 2), (Breaks.ON_ITS_WAY_BACK, 1)])
def test_a_commit_whose_answer_is_lost_is_repeated_only_if_it_did_not_come_about(
    cluster: Cluster, url: str, breaks: Breaks, runs: int
) -> None:
    with breaker(cluster.root) as between:
        operation = Noting(lambda _: setattr(between, "breaks", breaks))
        value = written(url.replace(str(cluster.root), str(between.directory)), operation)
        assert between.breaks is Breaks.NOWHERE
    assert value == operation.runs == runs
    assert noted(url) == 1


def test_a_transaction_that_is_cut_off_in_its_midst_is_done_again(url: str) -> None:
    operation = Noting(lambda session: session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())")))
    assert written(url, operation) == 2
    assert noted(url) == 1


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_what_got_into_another_transactions_way_is_done_again(url: str, code: str) -> None:
    raises = text(f"DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '{code}'; END $$")
    operation = Noting(lambda session: session.execute(raises))
    assert written(url, operation) == 2
    assert noted(url) == 1


def test_an_error_of_the_operation_itself_is_told_and_not_repeated(url: str) -> None:
    operation = Noting(lambda session: session.execute(text("SELECT 1 / 0")))
    with pytest.raises(DBAPIError, match="division by zero"):
        written(url, operation)
    assert operation.runs == 1
    assert noted(url) == 0


@pytest.mark.parametrize("how", ["a session is killed", "the machine crashes"])
def test_writers_and_readers_go_on_when_postgresql_does(own_cluster: Cluster, how: str) -> None:
    with own_cluster.database() as name:
        interrupt(own_cluster, name, how)


def interrupt(cluster: Cluster, name: str, how: str) -> None:
    count, url = 400, make_postgres_template(cluster, name)
    writer, reader = Writer(open_engine(url, writes=True)), Reader(open_engine(url, writes=False))
    writer.start()
    operations = [Noting() for _ in range(count)]
    reached = threading.Event()
    try:
        asyncio.run(reader.run(identity.tokens))
        futures = []
        for index, operation in enumerate(operations):
            futures.append(writer.submit(operation))
            if index == count // 2:
                futures[-1].add_done_callback(lambda _: reached.set())
        assert reached.wait(60)
        if how == "a session is killed":
            os.kill(cluster.backends(name)[0], signal.SIGKILL)  # which restarts all of them
        else:
            cluster.stop(signal.SIGQUIT)
            futures.append(writer.submit(Noting()))
            cluster.start()
        assert [future.result(60) for future in futures] == [item.runs for item in operations] + [1] * (
            len(futures) - count
        )
        assert asyncio.run(reader.run(identity.tokens)) == []
    finally:
        writer.close()
        reader.close()
    assert noted(url) == len(futures)


def test_who_waits_for_a_database_that_stays_away_is_told_when_the_server_stops(own_cluster: Cluster) -> None:
    with own_cluster.database() as name:
        writer = Writer(open_engine(make_postgres_template(own_cluster, name), writes=True))
        writer.start()
        writer.submit(Noting()).result(60)
        own_cluster.stop(signal.SIGINT)
        try:
            waiting = writer.submit(Noting())
            writer.close()
            with pytest.raises(DatabaseUnavailableError, match="try again later"):
                waiting.result(0)
        finally:
            own_cluster.start()


def test_an_outage_is_waited_for_and_then_told() -> None:
    broken = OperationalError("SELECT 1", {}, OSError("the connection broke"), connection_invalidated=True)
    assert is_outage(broken)
    outage = Outage(patience=0.0)
    outage.wait(broken)
    with pytest.raises(DatabaseUnavailableError) as caught:
        outage.wait(broken)
    told = problem(caught.value)
    assert told is not None
    assert (told.status, told.code) == (503, "database-away")


def test_transactions_that_write_come_one_after_the_other_and_events_in_the_order_of_commits(url: str) -> None:
    """Also when several servers write."""
    engine = open_engine(url, writes=True)
    other = open_engine(url, writes=True)
    order: list[str] = []

    def second() -> None:
        with other.begin() as session:
            take_turn(session, "second")
            order.append("second has its turn")
            session.execute(insert(event).values(at=2.0, kind="second"))

    with engine.connect() as session, session.begin():
        take_turn(session, "first")
        thread = threading.Thread(target=second)
        thread.start()
        waits = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        wait_until(lambda: fetch(url, waits), "the second to wait for its turn")
        session.execute(insert(event).values(at=1.0, kind="first"))
        order.append("the first ends")
    thread.join(60)
    engine.dispose()
    other.dispose()
    assert order == ["the first ends", "second has its turn"]
    assert fetch(url, "SELECT kind FROM event ORDER BY sequence") == [("first",), ("second",)]


def test_a_commit_waits_for_the_disk_whatever_the_database_says(cluster: Cluster) -> None:
    with cluster.database() as name:
        with cluster.connection() as connection:
            connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
            connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_isolation = serializable')
        with cluster.connection(name) as connection:
            assert connection.execute("SHOW synchronous_commit").fetchall() == [("off",)]
        engine = open_engine(cluster.url(name), writes=True)
        with engine.connect() as session:
            assert session.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
            assert session.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"
        engine.dispose()
