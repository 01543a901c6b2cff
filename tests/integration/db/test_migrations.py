"""Migrations: up and down on a filled database, and the tables as the code knows them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from covalent.status import Status
from covalent.wire import places
from covalent_server.db import Session, dispatches, ending, identity, migrate, reads, revision
from covalent_server.db.engines import open_engine
from covalent_server.db.tables import metadata
from covalent_server.db.writer import Writer
from covalent_server.engine.submission import prepare
from covalent_server.executors.registry import Machine
from tests import builders
from tests.builders import manifest, node, take
from tests.databases import Databases, dump, execute, fetch
from tests.integration.db.conftest import opened
from tests.integration.db.happenings import settle
from tests.integration.engine.conftest import submission

CHAIN = manifest([node(0), node(1, take(0))])


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    """An empty database, of each kind."""
    with databases.empty() as made:
        yield made


def fill(url: str) -> None:
    new = prepare(submission(CHAIN), Machine(host=places.host_identity()))

    def operation(session: Session) -> None:
        begun = dispatches.begin(session, new, 1.0)
        dispatches.add_nodes(session, begun, new, 0, 2)
        dispatches.add_links(session, begun, new, 0, 1)
        dispatches.release(session, begun, new, 1.0)
        identity.add_token(session, identity.TokenRow(digest="d", owner="local", scope="user"), 1.0)

    writer = Writer(open_engine(url, writes=True))
    writer.start()
    writer.submit(operation).result()
    writer.close()


def test_the_tables_are_what_the_migrations_make(url: str) -> None:
    migrate.upgrade(url)
    engine = open_engine(url, writes=True)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_filled_database_goes_down_and_up_again(url: str) -> None:
    migrate.upgrade(url)
    fill(url)
    migrate.downgrade(url, "base")
    assert revision.state(url) == "absent"
    migrate.upgrade(url)
    assert revision.state(url) == "current"
    fill(url)


def rows(url: str, name: str) -> list[dict[str, Any]]:
    engine = open_engine(url, writes=False)
    with engine.connect() as connection:
        found = [dict(row) for row in connection.execute(text(f"SELECT * FROM {name} ORDER BY 1")).mappings()]  # noqa: S608
    engine.dispose()
    return found


def test_what_looks_at_directories_goes_with_the_triggers(url: str) -> None:
    """An older server would take it for a user's dispatch."""
    migrate.upgrade(url)
    fill(url)
    before = {name: rows(url, name) for name in ("node", "event")}
    writer = Writer(open_engine(url, writes=True))
    writer.start()
    new = replace(prepare(submission(manifest([node(0)])), Machine(host=places.host_identity())), observes=1)

    def operation(session: Session) -> None:
        begun = dispatches.begin(session, new, 1.0)
        dispatches.add_nodes(session, begun, new, 0, 1)
        dispatches.release(session, begun, new, 1.0)

    writer.submit(operation).result()
    writer.close()
    migrate.downgrade(url, "0002")
    for name, known in before.items():
        after = rows(url, name)
        # Later versions know more of each.
        assert after == [{column: row[column] for column in after[0]} for row in known]


def test_what_was_being_prepared_is_leased_to_an_older_server(url: str) -> None:
    migrate.upgrade(url)
    fill(url)
    execute(url, "UPDATE node SET state = 'PREPARING', worker = 'w', preparing_at = 2.0 WHERE number = 0")
    migrate.downgrade(url, "0003")
    assert fetch(url, "SELECT state, worker FROM node ORDER BY number") == [("LEASED", "w"), ("WAITING", None)]
    migrate.upgrade(url)
    assert revision.state(url) == "current"


def test_upgrading_twice_changes_nothing(url: str) -> None:
    migrate.upgrade(url)
    fill(url)
    before = dump(url)
    migrate.upgrade(url)
    assert dump(url) == before


def test_a_database_of_a_newer_version_is_recognised(url: str) -> None:
    migrate.upgrade(url)
    execute(url, "UPDATE alembic_version SET version_num = '9999'")
    assert revision.state(url) == "newer"


def test_the_list_of_revisions_is_the_list_of_files() -> None:
    versions = Path(migrate.__file__).with_name("migrations") / "versions"
    found = sorted(path.name.split("_")[0] for path in versions.glob("[0-9]*.py"))
    assert tuple(found) == revision.REVISIONS


def running_at_the_first_revision(url: str) -> None:
    """A database of the first release: one node of a chain runs, the next waits for it."""
    migrate.upgrade(url, "0001")
    value = builders.asset("value")
    records = [json.dumps(item) for item in json.loads(builders.text(CHAIN))["graph"]["nodes"]]
    asset = {"digest": builders.digest(value), "size": len(value), "data": value}
    execute(url, "INSERT INTO setting VALUES ('next_node_key', '3')")
    execute(url, "INSERT INTO pool (owner, executor, place) VALUES ('local', 'local', '/nowhere/python3')")
    execute(url, "INSERT INTO asset VALUES (:digest, :size, '{}', :data)", asset)
    execute(url, "INSERT INTO asset_owner VALUES (:digest, 'local')", asset)
    execute(
        url,
        "INSERT INTO dispatch (id, root_id, owner, name, status, complete, manifest, requires, output_node, "
        "unfinished, created_at) VALUES ('old', 'old', 'local', 'w', 'RUNNING', 1, '{}', '[]', 1, 2, 1.0)",
    )
    execute(
        url,
        "INSERT INTO node (key, dispatch, number, position, record, pool, state, remaining, attempt, worker) "
        "VALUES (:key, 1, :key - 1, :key - 1, :record, 1, :state, :remaining, :attempt, :worker)",
        {"key": 1, "record": records[0], "state": "RUNNING", "remaining": 0, "attempt": 1, "worker": "w"},
        {"key": 2, "record": records[1], "state": "WAITING", "remaining": 1, "attempt": 0, "worker": None},
    )
    execute(url, "INSERT INTO link VALUES (1, 2, '[]')")


def test_what_ran_before_an_upgrade_runs_on_to_its_end(url: str) -> None:
    running_at_the_first_revision(url)
    assert revision.state(url) == "older"
    migrate.upgrade(url)
    with opened(url) as do:
        held = do(identity.held_leases)
        assert [(item.node, item.attempt, item.worker) for item in held] == [(1, 1, "w")]
        for _ in range(2):
            do(partial(settle, at=1))
        record = do(partial(reads.dispatch_record, owner="local", dispatch_id="old"))
        assert (record.status, record.node_counts) == (Status.COMPLETED, {"COMPLETED": 2})
        assert (record.tags, record.parent) == ((), None)


def test_what_ran_before_an_upgrade_can_be_cancelled(url: str) -> None:
    running_at_the_first_revision(url)
    migrate.upgrade(url)
    with opened(url) as do:
        do(partial(ending.cancel, owner="local", dispatch_id="old", numbers=None, now=2.0))
        record = do(partial(reads.dispatch_record, owner="local", dispatch_id="old"))
        assert (record.status, record.node_counts) == (Status.CANCELLED, {"CANCELLED": 2})
