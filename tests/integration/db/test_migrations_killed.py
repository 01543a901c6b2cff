"""``kill -9`` in the midst of a migration: what was there is there, and the next run ends what this one began."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from covalent_server.db import migrate, revision
from tests.integration.db.test_migrations import dump, running_at_the_first_revision

#: Counts the statements that change something, and dies right after the one it was told.
DIES = """
import os, signal, sys
from sqlalchemy import Engine, event
from covalent_server.db import migrate

url, point = sys.argv[1], int(sys.argv[2])
seen = 0

@event.listens_for(Engine, "after_cursor_execute")
def count(connection, cursor, statement, *rest):
    global seen
    if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA", "BEGIN")):
        seen += 1
        if seen == point:
            os.kill(os.getpid(), signal.SIGKILL)

migrate.upgrade(url, sys.argv[3])
"""


def killed(url: str, point: int, target: str) -> bool:
    """Upgrade in a process that dies after so many statements; False when the migration has no more of them."""
    run = subprocess.run(
        [sys.executable, "-c", DIES, url, str(point), target], capture_output=True, text=True, check=False
    )
    assert run.returncode in {0, -signal.SIGKILL}, run.stderr
    return run.returncode != 0


def standing(url: str) -> str:
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
        found: str = database.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    return found


@pytest.mark.parametrize("source", revision.REVISIONS[:-1])
def test_a_migration_killed_after_any_statement_leaves_all_as_it_was_and_runs_again(
    tmp_path: Path, source: str
) -> None:
    target = revision.REVISIONS[revision.REVISIONS.index(source) + 1]
    url = f"sqlite:///{tmp_path / 'covalent.db'}"
    running_at_the_first_revision(url)
    migrate.upgrade(url, source)
    before = dump(url)
    points = 1
    while killed(url, points, target):
        assert standing(url) == source
        assert dump(url) == before
        points += 1
    assert points > 2
    assert standing(url) == target
    fresh = f"sqlite:///{tmp_path / 'fresh.db'}"
    running_at_the_first_revision(fresh)
    migrate.upgrade(fresh, target)
    assert dump(url) == dump(fresh)
    migrate.upgrade(url)
    assert revision.state(url) == "current"


def test_the_first_migration_killed_after_any_statement_runs_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'covalent.db'}"
    points = 1
    while killed(url, points, "0001"):
        assert revision.state(url) == "absent"
        points += 1
    assert points > 10
    migrate.upgrade(url)
    assert revision.state(url) == "current"
