"""The kinds of databases that a server works on, with fresh ones for tests, which are the same for each kind."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import pytest
from sqlalchemy import Connection, RowMapping, create_engine, inspect, text

from covalent_server.db import migrate
from covalent_server.settings import sqlite_url
from tests.postgres import Cluster

KINDS: Final = ("sqlite", "postgresql")
#: Marks tests of servers that are to keep their state in each kind.
on_every_database: Final = pytest.mark.parametrize("database_url", KINDS, indirect=True)


class Databases(Protocol):
    """One kind of them; a database is there within the ``with``."""

    def empty(self) -> contextlib.AbstractContextManager[str]:
        """The URL of a database with nothing in it."""

    def migrated(self) -> contextlib.AbstractContextManager[str]:
        """The URL of a database with the tables of the newest version."""


class SqliteDatabases:
    """Files in a directory, and one that the migrated ones are copies of."""

    def __init__(self, directory: Path, template: Path) -> None:
        self._directory = directory
        self._template = template

    @contextlib.contextmanager
    def empty(self) -> Iterator[str]:
        path = self._directory / f"{secrets.token_hex(6)}.db"
        yield sqlite_url(path)
        for file in self._directory.glob(f"{path.name}*"):
            file.unlink()

    @contextlib.contextmanager
    def migrated(self) -> Iterator[str]:
        with self.empty() as url:
            shutil.copy(self._template, url.removeprefix("sqlite:///"))
            yield url


class PostgresDatabases:
    """Databases of one cluster, and the name of one that the migrated ones are copies of."""

    def __init__(self, cluster: Cluster, template: str) -> None:
        self._cluster = cluster
        self._template = template

    @contextlib.contextmanager
    def empty(self) -> Iterator[str]:
        with self._cluster.database() as name:
            yield self._cluster.url(name)

    @contextlib.contextmanager
    def migrated(self) -> Iterator[str]:
        with self._cluster.database(self._template) as name:
            yield self._cluster.url(name)


def make_sqlite_template(path: Path) -> Path:
    """A migrated SQLite database that is whole in one file."""
    migrate.upgrade(sqlite_url(path))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def make_postgres_template(cluster: Cluster, name: str) -> str:
    """Put the tables into a database that is there; its URL."""
    url = cluster.url(name)
    migrate.upgrade(url)
    return url


@contextlib.contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection with nothing of the server's about it; what is done in it is committed at its end."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def fetch(url: str, statement: str) -> list[tuple[Any, ...]]:
    """What a query finds."""
    with connected(url) as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def execute(url: str, statement: str, *rows: Mapping[str, Any]) -> None:
    """Execute a statement, for each of some rows of parameters."""
    with connected(url) as connection:
        connection.execute(text(statement), list(rows) or None)


#: PostgreSQL's numbers have gaps where a transaction was rolled back: what they count, by table and column.
_NUMBERED: Final = {"dispatch": "key", "event": "sequence", "pool": "id", "trigger": "key"}
_POINTING: Final = {
    "dispatch": {"observes": "trigger"},
    "event": {"dispatch": "dispatch"},
    "node": {"dispatch": "dispatch", "pool": "pool", "root": "dispatch"},
    "trigger": {"dispatch": "dispatch", "last": "dispatch", "observer": "dispatch"},
    "worker": {"pool": "pool"},
}


def dump(url: str) -> list[str]:
    """Everything that is in a database, its form and its rows; equal for databases of one kind with equal contents."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            return list(file.iterdump())
    with connected(url) as connection:
        looking = inspect(connection)
        tables = sorted(looking.get_table_names())
        form = [
            f"{table}: {sorted(map(str, facts), key=str)}"
            for table in tables
            for facts in (
                looking.get_columns(table),
                looking.get_indexes(table),
                looking.get_foreign_keys(table),
                looking.get_pk_constraint(table).values(),
                looking.get_unique_constraints(table),
            )
        ]
        contents = {table: connection.execute(text(f'SELECT * FROM "{table}"')).mappings().all() for table in tables}  # noqa: S608
    places = {
        table: {number: place for place, number in enumerate(sorted(row[column] for row in contents[table]), 1)}
        for table, column in _NUMBERED.items()
        if table in contents
    }
    return form + [line for table in tables for line in sorted(_line(table, row, places) for row in contents[table])]


def _line(table: str, row: RowMapping, places: Mapping[str, Mapping[int, int]]) -> str:
    pointing = _POINTING.get(table, {}) | ({_NUMBERED[table]: table} if table in _NUMBERED else {})
    told = {
        name: places[pointing[name]].get(value, value) if name in pointing else value for name, value in row.items()
    }
    if str(told.get("name")).startswith("mark "):  # the word of its last transaction, made by chance
        told["value"] = "a mark"
    return f"{table}: {told}"
