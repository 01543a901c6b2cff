from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from covalent_server.cli import exits, readiness
from covalent_server.errors import PortInUseError


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def test_a_server_that_is_ready_says_so(pipe: tuple[int, int]) -> None:
    readiness.Reporter(pipe[1]).ready()
    assert readiness.wait(pipe[0], 30) == readiness.Waited(ready=True)


def test_an_error_arrives_as_the_same_error(pipe: tuple[int, int]) -> None:
    readiness.Reporter(pipe[1]).failed(PortInUseError("port 1 is taken; choose another"))
    error = readiness.wait(pipe[0], 30).error
    assert isinstance(error, PortInUseError)
    assert str(error) == "port 1 is taken; choose another"
    assert exits.code_of(error) == exits.CODES[PortInUseError]


def test_a_server_that_dies_without_a_word_is_noticed(pipe: tuple[int, int]) -> None:
    os.close(pipe[1])
    assert readiness.wait(pipe[0], 30) == readiness.Waited(ended=True)


def test_a_server_that_says_nothing_is_neither_ready_nor_ended(pipe: tuple[int, int]) -> None:
    assert readiness.wait(pipe[0], 0) == readiness.Waited()
    os.close(pipe[1])


def test_only_the_first_word_counts(pipe: tuple[int, int]) -> None:
    reporter = readiness.Reporter(pipe[1])
    reporter.ready()
    reporter.failed(PortInUseError("later"))
    assert readiness.wait(pipe[0], 30) == readiness.Waited(ready=True)


def test_a_server_survives_that_nobody_listens() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    readiness.Reporter(writing).ready()
    readiness.Reporter(None).ready()
