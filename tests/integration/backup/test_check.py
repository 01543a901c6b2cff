"""``covalent db check``: what is damaged or gone is named, with what it came of; what is left over is told apart."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from covalent_server import errors
from covalent_server.cli import exits
from tests import builders
from tests.installation import Installation
from tests.integration.backup.test_backup import DAMAGED, LARGE, SMALL, file_of, refused
from tests.integration.web.test_assets import put


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Installation]:
    """A stopped server with assets, and a dispatch that names two of them."""
    installation = Installation(tmp_path / "installation")
    with installation:
        for data in (SMALL, *LARGE, builders.FUNCTION):
            assert put(installation, data).status == 204
        task = builders.node(5, {"asset": builders.digest(LARGE[0])}, name="train", executor="local")
        sent = builders.text(builders.manifest([task]))
        assert installation.request("POST", "/api/v1/dispatches", sent).status == 201
        installation.stop()
        yield installation


def check(installation: Installation, *arguments: str, code: int = exits.OK) -> Any:
    run = installation.command("db", "check", "--json", *arguments, check=False)
    assert run.returncode == code, run.stdout + run.stderr
    return json.loads(run.stdout)


def change(installation: Installation, statement: str, *values: Any) -> None:
    with contextlib.closing(sqlite3.connect(installation.data / "covalent.db")) as database, database:
        database.execute(statement, values)


def test_what_is_sound_is_told_so(stopped: Installation) -> None:
    found = check(stopped, "--deep")
    assert found["sound"]
    assert found["state"] == "current"
    assert found["assets"] == 4
    assert found["bytes"] == sum(map(len, (SMALL, *LARGE, builders.FUNCTION)))
    assert (found["faults"], found["leftovers"]) == ([], [])
    assert "all is there" in stopped.command("db", "check").stdout


def test_a_running_server_is_checked_too(stopped: Installation) -> None:
    stopped.start()
    assert check(stopped, "--deep")["sound"]


@pytest.mark.parametrize("harm", ["removed", "cut short"])
def test_a_file_that_is_gone_or_cut_short_is_named_with_what_it_came_with(stopped: Installation, harm: str) -> None:
    path = file_of(stopped, LARGE[0])
    path.unlink() if harm == "removed" else path.write_bytes(path.read_bytes()[:-1])
    (fault,) = check(stopped, code=DAMAGED)["faults"]
    assert fault.startswith(f"the asset {builders.digest(LARGE[0])} is ")
    assert "it came with task 5 (train) of dispatch " in fault
    text = stopped.command("db", "check", check=False).stdout
    assert builders.digest(LARGE[0]) in text


def test_altered_bytes_are_found_by_a_deep_look_which_changes_nothing(stopped: Installation) -> None:
    path = file_of(stopped, LARGE[1])
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    change(stopped, "UPDATE asset SET data = ? WHERE digest = ?", SMALL[::-1], builders.digest(SMALL))
    assert check(stopped)["sound"]
    for _ in range(2):
        found = check(stopped, "--deep", code=DAMAGED)
        assert sorted(fault.split()[2] for fault in found["faults"]) == sorted(map(builders.digest, (SMALL, LARGE[1])))
    assert path.exists()


def test_an_asset_that_rows_name_and_that_has_none_is_named(stopped: Installation) -> None:
    for table in ("asset_owner", "asset"):
        change(stopped, f"DELETE FROM {table} WHERE digest = ?", builders.digest(LARGE[0]))  # noqa: S608
    change(stopped, "UPDATE dispatch SET project = ?", "f" * 64)
    found = check(stopped, code=DAMAGED)
    assert found["faulty"] == 2
    assert sorted(fault.split()[2] for fault in found["faults"]) == sorted([builders.digest(LARGE[0]), "f" * 64])
    (leftover,) = found["leftovers"]
    assert leftover.startswith("files of assets that the database does not name: 1")


def test_rows_that_name_rows_which_are_not_there_are_told(stopped: Installation) -> None:
    change(stopped, "INSERT INTO asset_owner (digest, owner) VALUES (?, 'local')", "e" * 64)
    (fault,) = check(stopped, code=DAMAGED)["faults"]
    assert "asset_owner" in fault


def test_a_database_that_is_none_is_damage(stopped: Installation) -> None:
    (stopped.data / "covalent.db").write_bytes(b"once upon a time " * 1000)
    assert "covalent restore" in refused(stopped, errors.DamagedDataError, "db", "check")


def test_a_damaged_page_of_the_database_is_damage(stopped: Installation) -> None:
    path = stopped.data / "covalent.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'asset'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"?" * size)
    assert "covalent restore" in refused(stopped, errors.DamagedDataError, "db", "check")
    assert "covalent db check" in refused(stopped, errors.DamagedDataError, "backup", "backup.tar")
    assert not (stopped.root / "backup.tar").exists()


def test_what_was_left_over_is_told_and_is_no_fault(stopped: Installation) -> None:
    (stopped.data / "assets" / "incoming" / "half").write_bytes(b"half")
    (stopped.data / "assets" / "damaged").mkdir()
    (stopped.data / "assets" / "damaged" / ("0" * 64)).touch()
    change(stopped, "UPDATE dispatch SET complete = 0")
    found = check(stopped)
    assert [text.partition(":")[0] for text in found["leftovers"]] == [
        "dispatches that were written or removed by half",
        "uploads that were cut off",
        "damaged files that were set aside, in assets/damaged",
    ]


def test_there_is_nothing_to_check_where_there_is_no_database(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    assert "--data-dir" in refused(installation, errors.DataDirectoryError, "db", "check")
    assert not installation.data.exists()
