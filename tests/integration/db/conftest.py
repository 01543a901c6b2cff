"""A database of its own, with each operation in a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from covalent_server.db import Session
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


@pytest.fixture
def do(database_url: str) -> Iterator[Do]:
    """The door of a new database."""
    with opened(database_url) as run:
        yield run
