"""``covalent worker list``: plain text whatever stands in it, and JSON."""

from __future__ import annotations

from covalent_server.cli import worker
from tests.integration.cli.conftest import House


def test_without_tasks_there_is_nothing_to_show(house: House) -> None:
    house.run("start")
    assert house.run("worker", "list").stdout == "No tasks wait, and no workers are there\n"
    assert house.json("worker", "list")["pools"] == []


def test_other_peoples_text_stays_on_its_line_and_moves_no_cursor() -> None:
    job = {"job": "0123456789", "state": "starting", "since": 0.0, "place": "7\x1b[2J\n" + "x" * 99, "host": "h"}
    pool = {"pool": "1", "executor": "a\x1b]0;b", "waiting": 2, "workers": [], "jobs": [job], "provisioners": []}
    (row,) = worker._rows(pool)
    assert row[:5] == ("1", "a ]0;b", "2", "01234567", "starting")
    assert row[5] == "h 7 [2J " + "x" * 31 + "\N{HORIZONTAL ELLIPSIS}"
