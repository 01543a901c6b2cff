"""``kill -9`` in the midst of a migration: what was there is there, and the next run ends what this one began."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from covalent_server.db import migrate, revision
from tests.databases import Databases, dump, fetch
from tests.integration.db.test_migrations import running_at_the_first_revision

#: After each how many statements it is killed: on PostgreSQL, which undoes all the same, fewer will do.
STEPS = {"sqlite": 1, "postgresql": 5}
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


def step(url: str) -> int:
    return STEPS[url.partition(":")[0].partition("+")[0]]


def standing(url: str) -> str:
    ((found,),) = fetch(url, "SELECT version_num FROM alembic_version")
    return str(found)


@pytest.mark.parametrize("source", revision.REVISIONS[:-1])
def test_a_migration_killed_after_any_statement_leaves_all_as_it_was_and_runs_again(
    databases: Databases, source: str
) -> None:
    target = revision.REVISIONS[revision.REVISIONS.index(source) + 1]
    with databases.empty() as url, databases.empty() as fresh:
        running_at_the_first_revision(url)
        migrate.upgrade(url, source)
        before = dump(url)
        points = 1
        while killed(url, points, target):
            assert standing(url) == source
            assert dump(url) == before
            points += step(url)
        assert points > 2
        assert standing(url) == target
        running_at_the_first_revision(fresh)
        migrate.upgrade(fresh, target)
        assert dump(url) == dump(fresh)
        migrate.upgrade(url)
        assert revision.state(url) == "current"


def test_the_first_migration_killed_after_any_statement_runs_again(databases: Databases) -> None:
    with databases.empty() as url:
        points = 1
        while killed(url, points, "0001"):
            assert revision.state(url) == "absent"
            points += step(url)
        assert points > 10
        migrate.upgrade(url)
        assert revision.state(url) == "current"
