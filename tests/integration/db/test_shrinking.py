"""The file of a SQLite database becomes smaller when rows are deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import delete, insert

from covalent_server.db import Session, migrate, shrinking
from covalent_server.db.tables import asset
from tests.integration.db.conftest import Do, opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "covalent.db"


@pytest.fixture
def large(path: Path) -> Iterator[Do]:
    """A new database of some megabytes; those of its rows are deleted."""
    migrate.upgrade(f"sqlite:///{path}")
    with opened(f"sqlite:///{path}") as do:
        do(fill)
        shrinking.checkpoint(f"sqlite:///{path}")
        do(lambda session: session.execute(delete(asset)))
        yield do


def fill(session: Session) -> None:
    rows = [{"digest": f"{number:064}", "size": 1, "preview": "", "data": b"x" * 4000} for number in range(1000)]
    session.execute(insert(asset), rows)


def test_a_new_file_becomes_smaller_piece_by_piece(path: Path, large: Do) -> None:
    before = path.stat().st_size
    pieces = 1
    while large(shrinking.shrink):
        pieces += 1
    assert 3 < pieces < 10
    shrinking.checkpoint(f"sqlite:///{path}")
    assert path.stat().st_size < before / 4
    assert not large(shrinking.shrink)


def test_a_reader_keeps_neither_others_waiting_nor_the_file_large_for_good(path: Path, large: Do) -> None:
    before = path.stat().st_size
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM asset").fetchone() == (0,)
        while large(shrinking.shrink):
            pass
        shrinking.checkpoint(f"sqlite:///{path}")
        large(fill)
    large(lambda session: session.execute(delete(asset)))
    while large(shrinking.shrink):
        pass
    shrinking.checkpoint(f"sqlite:///{path}")
    assert path.stat().st_size < before / 4


def test_the_file_of_an_early_version_does_so_once_it_was_written_anew(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE early (data BLOB)")
    url = f"sqlite:///{path}"
    migrate.upgrade(url)
    with opened(url) as do:
        do(fill)
        do(lambda session: session.execute(delete(asset)))
        assert not do(shrinking.shrink)
    before = path.stat().st_size
    assert shrinking.vacuum(url)
    assert path.stat().st_size < before / 4
    with opened(url) as do:
        do(fill)
        do(lambda session: session.execute(delete(asset)))
        assert do(shrinking.shrink)
