"""``covalent db`` on the databases of running, stopped, older and newer servers."""

from __future__ import annotations

import contextlib
import sqlite3

from covalent_server import errors
from covalent_server.cli import exits
from covalent_server.db import revision
from covalent_server.settings import sqlite_url
from tests.integration.cli.conftest import House
from tests.integration.db.test_migrations import running_at_the_first_revision

NEWEST = revision.REVISIONS[-1]


def refused(house: House, kind: type[errors.CovalentServerError], *arguments: str) -> str:
    run = house.run(*arguments)
    assert run.returncode == exits.CODES[kind], run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    return run.stderr


def older(house: House) -> None:
    house.data.mkdir(mode=0o700)
    running_at_the_first_revision(sqlite_url(house.data / "covalent.db"))


def test_current_makes_no_database_where_there_is_none(house: House) -> None:
    assert house.json("db", "current")["state"] == "absent"
    assert "covalent start makes one" in house.run("db", "current").stdout
    assert not house.data.exists()


def test_upgrade_makes_no_database_where_there_is_none(house: House) -> None:
    assert "--data-dir" in refused(house, errors.DataDirectoryError, "db", "upgrade")
    assert not house.data.exists()


def test_the_database_of_a_stopped_older_server_is_upgraded_and_served(house: House) -> None:
    older(house)
    assert house.json("db", "current") == {"schema_version": 1, "revision": "0001", "newest": NEWEST, "state": "older"}
    assert "covalent db upgrade" in house.run("db", "current").stdout
    assert house.run("db", "upgrade").stdout == f"Upgraded from 0001 to {NEWEST}\n"
    assert house.json("db", "current")["state"] == "current"
    assert house.run("db", "upgrade").stdout == f"{NEWEST} is this version's already\n"
    house.json("start")


def test_a_running_server_is_asked_but_not_upgraded(house: House) -> None:
    house.json("start")
    assert house.json("db", "current")["revision"] == NEWEST
    assert "covalent stop" in refused(house, errors.AlreadyRunningError, "db", "upgrade")


def test_the_database_of_a_newer_version_is_left_alone(house: House) -> None:
    older(house)
    with contextlib.closing(sqlite3.connect(house.data / "covalent.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'from-the-future'")
    assert house.json("db", "current")["state"] == "newer"
    assert "pip install -U covalent-server" in refused(house, errors.NewerDataError, "db", "upgrade")
    assert house.json("db", "current")["revision"] == "from-the-future"


def test_a_migration_that_fails_says_why_and_what_to_do(house: House) -> None:
    older(house)
    with contextlib.closing(sqlite3.connect(house.data / "covalent.db")) as database, database:
        database.execute("ALTER TABLE dispatch ADD COLUMN parent INTEGER")
    said = refused(house, errors.MigrationError, "db", "upgrade")
    assert "parent" in said
    assert "run this again" in said
    assert house.json("db", "current")["revision"] == "0001"
