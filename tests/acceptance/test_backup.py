"""Backups of servers at work, put back as a user does it, and assets that were damaged under a workflow."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from covalent.wire import container
from covalent_server import errors
from covalent_server.cli import exits
from tests import builders
from tests.acceptance.books import Books
from tests.acceptance.fan_out import FanOut
from tests.acceptance.programs import Project
from tests.installation import Installation, alive, wait_until

DAMAGED = exits.CODES[errors.DamagedDataError]


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """A server whose local workers run one task at a time."""
    installation = Installation(tmp_path / "installation")
    installation.environ["COVALENT_LOCAL_SLOTS"] = "1"
    with installation:
        yield installation


def move_into(installation: Installation, backup: Path, data: Path) -> None:
    """Restore a backup, and have the next server live there, at the same address and for the same account."""
    installation.data = data
    installation.environ["COVALENT_DATA_DIR"] = str(data)
    installation.command("restore", str(backup), "--verify")


def test_a_backup_that_was_made_while_a_workflow_ran_goes_on_where_it_was(
    installation: Installation, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.tar"
    first = FanOut(Project(tmp_path / "first", installation), count=3, free=3)
    with first.start() as program:
        ended = program.told()
    fan_out = FanOut(Project(tmp_path / "second", installation), count=8, free=4)
    with fan_out.start() as program:
        dispatch_id = program.dispatch_id()
        wait_until(lambda: fan_out.recorded(dispatch_id) == set(range(4)), "the free tasks to be recorded")
        wait_until(fan_out.waiting, "a task at the gate")
        installation.command("backup", str(backup))
        workers = fan_out.books.workers()
        installation.kill()
        move_into(installation, backup, tmp_path / "restored")
        fan_out.books = Books(installation.data)
        assert fan_out.recorded(dispatch_id) == set(range(4))
        installation.start()
        # The workers of before hold a task, and are not to bring its result.
        wait_until(lambda: not any(map(alive, workers)), "the workers of the original to leave")
        fan_out.open_gate()
        told = program.told()
    assert (told.status, told.value) == ("COMPLETED", fan_out.value)
    begun = fan_out.journal.begun()
    assert {index: begun[index] for index in range(4)} == dict.fromkeys(range(4), 1)
    assert fan_out.books.faults(dispatch_id, fan_out.journal) == []
    facts = Project(tmp_path / "third", installation).facts(f"""
        facts["value"] = ct.get_result("{ended.dispatch_id}", wait=True).result
    """)
    assert facts["value"] == first.value
    assert Books(installation.data).faults(ended.dispatch_id, first.journal) == []
    installation.command("db", "check", "--deep")


SCRIPT = """
import os
import time


@ct.electron
def grow():
    return b"x" * 300_000


@ct.electron
def stand(gate):
    while not os.path.exists(gate):
        time.sleep(0.005)


@ct.electron
def measure(grown, _):
    return len(grown)


@ct.lattice
def workflow(gate):
    return measure(grow(), stand(gate))
"""


@pytest.mark.parametrize("harm", ["alter", "remove"])
def test_a_task_whose_input_was_damaged_fails_with_what_it_came_of_and_running_that_again_makes_it_good(
    installation: Installation, tmp_path: Path, harm: str
) -> None:
    project = Project(tmp_path / "project", installation)
    project.workflow(SCRIPT)
    gate = project.directory / "gate"
    with project.start(str(gate)) as program:
        dispatch_id = program.dispatch_id()
        grown = wait_until(lambda: output_of(installation, dispatch_id), "the large output to be recorded")
        installation.stop()
        path = installation.data / "assets" / grown[:2] / grown[2:]
        if harm == "remove":
            path.unlink()
        else:
            damage(path, 200_000)
        for kept in (installation.data / "workers").rglob(grown):
            kept.unlink()
        named = f"the asset {grown} is {'gone' if harm == 'remove' else 'damaged'}"
        whence = f"it is the output of task 0 (grow) of dispatch {dispatch_id}: run that again with ct.redispatch("
        checked = installation.command("db", "check", "--deep", check=False)
        assert checked.returncode == DAMAGED
        assert named in checked.stdout
        assert whence in checked.stdout
        gate.touch()
        installation.start()
        told = program.told()
    assert told.status == "FAILED"
    assert named in (told.error or "")
    assert whence in (told.error or "")
    assert "ickl" not in (told.error or "")
    refused = installation.request("GET", f"/api/v1/assets/{grown}")
    assert (refused.status, refused.plain["code"]) == (410, "asset-lost")
    facts = project.facts(f"""
        again = ct.redispatch("{dispatch_id}")()
        facts["value"] = ct.get_result(again, wait=True).result
    """)
    assert facts["value"] == 300_000
    assert installation.request("GET", f"/api/v1/assets/{grown}").status == 200
    installation.command("db", "check", "--deep")


def output_of(installation: Installation, dispatch_id: str) -> str | None:
    """The output of a dispatch's first task, once it is recorded."""
    rows = Books(installation.data).rows(
        "select output from node join dispatch on dispatch.key = node.dispatch where dispatch.id = ? and number = 0",
        dispatch_id,
    )
    return str(rows[0]["output"]) if rows and rows[0]["output"] else None


def damage(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"?")


def test_a_backup_that_is_killed_leaves_no_half_of_one_under_its_name(
    installation: Installation, tmp_path: Path
) -> None:
    chance = random.Random(7)  # noqa: S311  (no secret)
    for size in (4_000_000,) * 10:
        upload(installation, chance.randbytes(size))
    directory = tmp_path / "backups"
    directory.mkdir()
    backup = directory / "backup.tar"
    killed = 0
    for moment in (0, *sorted(chance.sample(range(1, 39_000_000), 6))):
        process = subprocess.Popen(
            [installation.python, "-m", "covalent_server", "backup", str(backup)],
            env=installation.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(
            lambda moment=moment, process=process: process.poll() is not None or written(directory) >= moment,
            f"{moment} bytes of a backup",
        )
        process.kill()
        if process.wait() == -signal.SIGKILL:
            killed += 1
        if backup.exists():  # it came to its end before it was killed
            Installation(tmp_path / f"restored-{moment}").command("restore", str(backup), "--verify")
            backup.unlink()
    assert killed
    installation.command("backup", str(backup))
    assert [path.name for path in directory.iterdir()] == ["backup.tar"]
    Installation(tmp_path / "restored").command("restore", str(backup), "--verify")


def written(directory: Path) -> int:
    """How much there is of a backup that is being written; less than nothing before it was begun."""
    with contextlib.suppress(FileNotFoundError):
        return max((path.stat().st_size for path in directory.glob(".*.partial/backup")), default=-1)
    return -1


def upload(installation: Installation, data: bytes) -> str:
    """Store an asset of these bytes."""
    header = container.Header(codec="json", type_name="t", sizes=(len(data),))
    whole = b"".join(bytes(chunk) for chunk in container.pack(header, [data]))
    digest = builders.digest(whole)
    octets = {"Content-Type": "application/octet-stream"}
    assert installation.request("PUT", f"/api/v1/assets/{digest}", whole, headers=octets).status == 204
    return digest
