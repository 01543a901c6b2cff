"""A database of its own, with each operation in a transaction of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from covalent_server.db import Session, migrate
from covalent_server.db.engines import open_engine

#: Runs an operation in a transaction of its own.
Do = Callable[[Callable[[Session], Any]], Any]


@contextmanager
def opened(url: str) -> Iterator[Do]:
    """The door of a database that is there."""
    engine = open_engine(url, writes=True)

    def run(operation: Callable[[Session], Any]) -> Any:
        with engine.begin() as connection:
            return operation(connection)

    yield run
    engine.dispose()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, to be copied."""
    path = tmp_path_factory.mktemp("template") / "covalent.db"
    migrate.upgrade(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


@pytest.fixture
def do(tmp_path: Path) -> Iterator[Do]:
    """The door of a new database."""
    url = f"sqlite:///{tmp_path / 'covalent.db'}"
    migrate.upgrade(url)
    with opened(url) as run:
        yield run
