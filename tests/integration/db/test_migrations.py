"""Migrations: up and down on a filled database, and the tables as the code knows them."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from covalent.wire import places
from covalent_server.db import Session, dispatches, identity, migrate, revision
from covalent_server.db.engines import open_engine
from covalent_server.db.tables import metadata
from covalent_server.db.writer import Writer
from covalent_server.engine.submission import prepare
from tests.builders import manifest, node, take
from tests.integration.engine.conftest import submission


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'covalent.db'}"


def fill(url: str) -> None:
    new = prepare(submission(manifest([node(0), node(1, take(0))])), places.host_identity())

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


def dump(url: str) -> list[str]:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


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


def test_what_looks_at_directories_goes_with_the_triggers(url: str) -> None:
    """An older server would take it for a user's dispatch."""
    migrate.upgrade(url)
    fill(url)
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        before = [connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in ("node", "event")]  # noqa: S608
    writer = Writer(open_engine(url, writes=True))
    writer.start()
    new = replace(prepare(submission(manifest([node(0)])), places.host_identity()), observes=1)

    def operation(session: Session) -> None:
        begun = dispatches.begin(session, new, 1.0)
        dispatches.add_nodes(session, begun, new, 0, 1)
        dispatches.release(session, begun, new, 1.0)

    writer.submit(operation).result()
    writer.close()
    migrate.downgrade(url, "0002")
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        after = [connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in ("node", "event")]  # noqa: S608
    assert after == before


def test_upgrading_twice_changes_nothing(url: str) -> None:
    migrate.upgrade(url)
    fill(url)
    before = dump(url)
    migrate.upgrade(url)
    assert dump(url) == before


def test_a_database_of_a_newer_version_is_recognised(url: str) -> None:
    migrate.upgrade(url)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert revision.state(url) == "newer"


def test_the_list_of_revisions_is_the_list_of_files() -> None:
    versions = Path(migrate.__file__).with_name("migrations") / "versions"
    found = sorted(path.name.split("_")[0] for path in versions.glob("[0-9]*.py"))
    assert tuple(found) == revision.REVISIONS
