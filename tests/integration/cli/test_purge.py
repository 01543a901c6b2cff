"""``covalent purge``: dispatches that nobody needs any more, deleted from a terminal."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from covalent_server.cli import ask, exits
from covalent_server.errors import AlreadyRunningError, DataDirectoryError, NotRunningError, RefusedError
from tests.builders import manifest, node, take
from tests.integration.cli.conftest import House
from tests.integration.cli.test_trigger import dispatched

MADE = replace(manifest([node(0, executor="elsewhere"), node(1, take(0))]), tags=("a",))


def asked(started: dict[str, Any], method: str, path: str, body: Any = None) -> Any:
    token = Path(started["token_file"]).read_text().strip()
    return ask.ask(method, f"{started['url']}/api/v1/{path}", token=token, seconds=70, body=body).plain


def ended(started: dict[str, Any]) -> str:
    """A dispatch that has failed: nothing on this server runs what it asks for."""
    dispatch_id = dispatched(started, MADE)
    assert asked(started, "GET", f"dispatches/{dispatch_id}?wait=60")["status"] == "FAILED"
    return dispatch_id


def test_dispatches_are_shown_and_then_deleted(house: House) -> None:
    started = house.json("start")
    first, second = ended(started), ended(started)
    assert house.run("purge", "--status", "completed", "--dry-run").stdout == "Would delete 0 dispatches with 0 tasks\n"
    assert house.run("purge", "--older-than", "1d", "--yes").stdout == "Deleted 0 dispatches with 0 tasks\n"
    would = house.json("purge", "--tag", "a", "--status", "failed", "--dry-run")
    assert (would["dispatches"], would["nodes"], would["assets"], would["kept"], would["dry_run"]) == (
        2,
        4,
        1,
        [],
        True,
    )
    unasked = house.run("purge", first)
    assert unasked.returncode == exits.USAGE
    assert "--yes" in unasked.stderr
    assert house.run("purge", first, "--yes").stdout == "Deleted 1 dispatch with 2 tasks\n"
    again = house.run("purge", first, second, "--yes")
    assert again.returncode == exits.code_of(RefusedError())
    assert again.stdout.startswith(
        f"Deleted 1 dispatch with 2 tasks, and 1 asset of 0.000 MB\nKept: this server has no dispatch '{first}'"
    )
    assert asked(started, "GET", "dispatches")["dispatches"] == []
    assert asked(started, "GET", "dispatches/purge")["done"]


def test_who_waits_is_told_that_the_server_fails(house: House) -> None:
    started = house.json("start")
    dispatch_id = ended(started)
    with contextlib.closing(sqlite3.connect(house.data / "covalent.db")) as database:
        database.execute("CREATE TRIGGER full BEFORE DELETE ON dispatch BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        waiting = house.attach("purge", dispatch_id, "--yes")
        assert waiting.stderr is not None
        assert waiting.stderr.readline().startswith("The server could not delete all of it: covalent logs says why.")
        database.execute("DROP TRIGGER full")
    # It is tried again as soon as something else is to be purged.
    house.run("purge", "another", "--yes")
    said, more = waiting.communicate(timeout=60)
    assert (said, more, waiting.returncode) == ("Deleted 1 dispatch with 2 tasks, and 1 asset of 0.000 MB\n", "", 0)


@pytest.mark.parametrize(
    "arguments", [[], ["some", "--tag", "a"], ["--older-than", "30"], ["--status", "running"]], ids=str
)
def test_what_does_not_say_which_dispatches_is_no_command(house: House, arguments: list[str]) -> None:
    assert house.run("purge", *arguments, "--yes").returncode == exits.USAGE


def test_without_a_server_it_says_how_to_start_one(house: House) -> None:
    refused = house.run("purge", "any", "--yes")
    assert refused.returncode == exits.code_of(NotRunningError())
    assert "covalent start" in refused.stderr


def test_the_database_of_a_stopped_server_can_be_written_anew(house: House) -> None:
    assert house.run("db", "vacuum").returncode == exits.code_of(DataDirectoryError())
    house.run("start")
    assert house.run("db", "vacuum").returncode == exits.code_of(AlreadyRunningError())
    house.run("stop")
    assert house.json("db", "vacuum")["written"]
    assert house.run("db", "vacuum").stdout == "Written anew\n"
