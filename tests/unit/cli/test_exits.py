from __future__ import annotations

import pytest

from covalent_server import errors
from covalent_server.cli import exits

FAMILY = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.CovalentServerError)
]


def test_every_code_has_one_meaning() -> None:
    codes = [exits.OK, exits.UNHEALTHY, exits.USAGE, exits.INTERRUPTED, *exits.CODES.values()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", FAMILY)
def test_every_error_of_the_server_has_a_code_of_its_own(kind: type[errors.CovalentServerError]) -> None:
    assert exits.code_of(kind("x")) == exits.CODES[kind]


@pytest.mark.parametrize("kind", FAMILY)
def test_a_code_leads_back_to_its_error(kind: type[errors.CovalentServerError]) -> None:
    assert type(exits.error_of(exits.CODES[kind], "x")) is kind


def test_an_error_between_the_known_ones_has_the_code_of_its_parent() -> None:
    class FullDiskError(errors.DataDirectoryError):
        pass

    assert exits.code_of(FullDiskError("x")) == exits.CODES[errors.DataDirectoryError]


def test_the_help_names_every_code() -> None:
    lines = exits.described().splitlines()
    assert {int(line.split()[0]) for line in lines[2:]} >= set(exits.CODES.values()) | {0, 1, 2, 130}
