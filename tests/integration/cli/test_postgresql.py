"""The ``covalent`` command and a server on PostgreSQL: what is there, what is missing, and where no password stands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from covalent_server import errors
from covalent_server.cli import exits
from covalent_server.db import revision
from tests.databases import execute
from tests.integration.cli.conftest import House
from tests.integration.db.test_migrations import running_at_the_first_revision
from tests.postgres import PASSWORD, Cluster

NEWEST = revision.REVISIONS[-1]
VARIABLE = "COVALENT_DATABASE_URL"


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    """An empty database."""
    with cluster.database() as name:
        yield cluster.url(name)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[House]:
    """Another server's place."""
    root = tmp_path / "other"
    root.mkdir()
    house = House(root=root)
    yield house
    house.clear()


def refused(house: House, kind: type[errors.CovalentServerError], *arguments: str, url: str) -> str:
    run = house.run(*arguments, **{VARIABLE: url})
    assert run.returncode == exits.CODES[kind], run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    assert PASSWORD not in run.stdout + run.stderr
    return run.stderr


def test_a_server_starts_on_an_empty_database_and_again_on_its_own(house: House, url: str) -> None:
    assert house.json("db", "current", **{VARIABLE: url})["state"] == "absent"
    first = house.json("start", **{VARIABLE: url})
    assert first["guard"] == "armed"
    assert house.json("db", "current", **{VARIABLE: url})["revision"] == NEWEST
    assert house.json("status")["answering"]
    instance = house.json("status")["instance"]
    again = house.json("restart", **{VARIABLE: url})
    assert again["pid"] != first["pid"]
    assert house.json("status")["instance"] == instance
    assert not (house.data / "covalent.db").exists()


def test_an_older_database_is_upgraded_and_a_newer_one_left_alone(house: House, url: str) -> None:
    running_at_the_first_revision(url)
    given = {VARIABLE: url}
    assert house.run("db", "upgrade", **given).stdout == f"Upgraded from 0001 to {NEWEST}\n"
    assert house.run("db", "upgrade", **given).stdout == f"{NEWEST} is this version's already\n"
    execute(url, "UPDATE alembic_version SET version_num = 'from-the-future'")
    for arguments in (("db", "upgrade"), ("start",)):
        assert "pip install -U covalent-server" in refused(house, errors.NewerDataError, *arguments, url=url)


def test_upgrade_makes_nothing_where_there_is_nothing(house: House, url: str) -> None:
    assert VARIABLE in refused(house, errors.DataDirectoryError, "db", "upgrade", url=url)
    assert house.json("db", "current", **{VARIABLE: url})["state"] == "absent"


def test_a_second_server_of_a_database_is_refused_and_the_first_unharmed(house: House, other: House, url: str) -> None:
    house.json("start", **{VARIABLE: url})
    pid = house.json("status")["pid"]
    said = refused(other, errors.AlreadyRunningError, "start", url=url)
    assert f"pid {pid}" in said
    assert VARIABLE in said
    assert house.json("status")["answering"]


def test_nobody_upgrades_the_database_of_a_server_that_runs(house: House, other: House, url: str) -> None:
    house.json("start", **{VARIABLE: url})
    execute(url, "UPDATE alembic_version SET version_num = :before", {"before": revision.REVISIONS[-2]})
    for arguments in (("db", "upgrade"), ("start",)):
        assert "another server" in refused(other, errors.AlreadyRunningError, *arguments, url=url)


def test_a_database_that_is_not_there_is_told_with_what_to_do(house: House, cluster: Cluster) -> None:
    for wrong in (
        cluster.url("no_such_database"),
        cluster.url("postgres").replace(str(cluster.root), "/nowhere"),
        cluster.url("postgres").replace(PASSWORD, "wrong"),
    ):
        for arguments in (("start",), ("db", "current")):
            said = refused(house, errors.DatabaseUnavailableError, *arguments, url=wrong)
            assert "createdb" in said
            assert "wrong" not in said


def test_a_database_in_which_no_server_can_work_is_refused_before_anything_is_made(
    house: House, cluster: Cluster
) -> None:
    with cluster.connection() as connection:
        connection.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        assert "encoding is LATIN1" in refused(
            house, errors.DatabaseUnavailableError, "start", url=cluster.url("latin")
        )
        assert house.json("db", "current", **{VARIABLE: cluster.url("latin")})["state"] == "absent"
    finally:
        with cluster.connection() as connection:
            connection.execute("DROP DATABASE latin WITH (FORCE)")


def test_without_the_driver_it_is_said_how_to_install_it(house: House, url: str) -> None:
    program = "import sys; sys.modules['psycopg'] = None; from covalent_server.__main__ import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", program, "db", "current"],
        env=house.environ(**{VARIABLE: url}),
        cwd=house.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == exits.CODES[errors.SettingsError], run.stderr
    assert "pip install 'covalent-server[postgres]'" in run.stderr


@pytest.mark.parametrize(
    "wrong", ["postgresql+psycopg://me:hush-hush@host:port/db", "postgresql://me:hush@-hush@host/db"]
)
def test_what_is_no_url_is_refused_without_being_repeated(house: House, wrong: str) -> None:
    assert "%40" in refused(house, errors.SettingsError, "db", "current", url=wrong)


def test_doctor_looks_at_the_database(house: House, url: str) -> None:
    checks = {check["check"]: check for check in house.json("doctor", **{VARIABLE: url})["checks"]}
    assert "sqlite" not in checks
    assert checks["postgresql"]["verdict"] == "warning"  # the tests' does not wait for the disk
    assert "fsync" in checks["postgresql"]["text"]
    run = house.run("doctor", **{VARIABLE: url.replace(PASSWORD, "wrong")})
    assert run.returncode == exits.UNHEALTHY
    assert "createdb" in run.stdout


def test_the_password_stands_nowhere_and_a_restart_asks_for_it(house: House, url: str) -> None:
    house.json("start", "--log-level", "debug", **{VARIABLE: url})
    pid = house.json("status")["pid"]
    told = [house.run(command, **{VARIABLE: url}).stdout for command in ("config", "status", "logs", "doctor")]
    written = [path.read_text(errors="replace") for path in house.root.rglob("*") if path.is_file()]
    lines = [
        (entry / "cmdline").read_text(errors="replace")
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and (entry / "cmdline").exists()
    ]
    assert [text for text in (*told, *written, *lines) if PASSWORD in text] == []
    refusal = house.run("restart")
    assert refusal.returncode == exits.CODES[errors.SettingsError], refusal.stderr
    assert VARIABLE in refusal.stderr
    assert house.json("status")["pid"] == pid
    assert house.json("restart", **{VARIABLE: url})["pid"] != pid


def test_a_url_without_a_password_is_kept_for_the_restart(house: House, url: str) -> None:
    passwords = house.root / "passwords"
    passwords.write_text(f"*:*:*:*:{PASSWORD}\n")
    passwords.chmod(0o600)
    bare = url.replace(f":{PASSWORD}", "")
    house.json("start", PGPASSFILE=str(passwords), **{VARIABLE: bare})
    known = json.loads((house.data / "server.json").read_text())
    assert known["environment"][VARIABLE] == bare
    house.json("restart", PGPASSFILE=str(passwords))
    assert not (house.data / "covalent.db").exists()
