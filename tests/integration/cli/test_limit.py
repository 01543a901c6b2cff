"""``covalent limit``: set, shown and taken away from a terminal, and kept."""

from __future__ import annotations

import pytest

from covalent_server.cli import exits
from covalent_server.errors import NotRunningError, RefusedError
from tests.integration.cli.conftest import House


def test_limits_are_set_shown_kept_and_taken_away(house: House) -> None:
    house.run("start")
    assert house.run("limit", "list").stdout == "No limits\n"
    house.run("limit", "set", "slurm", "20", "--executor")
    shown = house.run("limit", "set", "vasp", "4").stdout
    assert [line.split() for line in shown.splitlines()] == [
        ["LIMIT", "KIND", "SLOTS", "HELD"],
        ["slurm", "executor", "20", "0"],
        ["vasp", "tag", "4", "0"],
    ]
    house.run("restart")
    assert house.json("limit", "list")["limits"] == [
        {"kind": "executor", "name": "slurm", "slots": 20, "held": 0},
        {"kind": "tag", "name": "vasp", "slots": 4, "held": 0},
    ]
    assert [item["slots"] for item in house.json("limit", "set", "vasp", "0")["limits"]] == [20, 0]
    assert [item["name"] for item in house.json("limit", "remove", "slurm", "--executor")["limits"]] == ["vasp"]
    assert house.run("limit", "remove", "vasp").stdout == "No limits\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["remove", "nonsense"], "there is no limit 'nonsense' of the kind tag"),
        (["set", " ", "1"], "expected a tag"),
        (["set", "x" * 201, "1"], "longer than 200 characters"),
        (["set", "x", "1000001"], "expected a number from 0 to 1000000"),
    ],
)
def test_what_cannot_be_is_refused(house: House, arguments: list[str], said: str) -> None:
    house.run("start")
    refused = house.run("limit", *arguments)
    assert refused.returncode == exits.code_of(RefusedError())
    assert said in refused.stderr


@pytest.mark.parametrize("arguments", [["list"], ["set", "x", "1"], ["remove", "x"]])
def test_without_a_server_it_says_how_to_start_one(house: House, arguments: list[str]) -> None:
    refused = house.run("limit", *arguments)
    assert refused.returncode == exits.code_of(NotRunningError())
    assert "covalent start" in refused.stderr
