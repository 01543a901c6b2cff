"""Finding dispatches again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import covalent as ct
from covalent.errors import ServerUnreachableError
from covalent.status import Status
from covalent.transportable import TransportableObject
from tests.unit.client.fake_server import FakeServer, a_record


@pytest.fixture(autouse=True)
def _three_dispatches(server: FakeServer) -> None:
    server.records["first"] = replace(a_record("first"), name="sweep", tags=("monday", "small"))
    server.records["second"] = replace(a_record("second", Status.FAILED), name="sweep")
    server.records["third"] = replace(a_record("third"), name="Größe & mehr", tags=("monday",))


def found(**asked: Any) -> list[str]:
    return [result.dispatch_id for result in ct.dispatches(**asked)]


def test_they_come_newest_first() -> None:
    assert found() == ["third", "second", "first"]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"name": "sweep"}, ["second", "first"]),
        ({"name": "Größe & mehr"}, ["third"]),
        ({"tag": "monday"}, ["third", "first"]),
        ({"status": "FAILED"}, ["second"]),
        ({"status": ct.Status.RUNNING, "name": "sweep"}, ["first"]),
        ({"limit": 1}, ["third"]),
        ({"name": "unheard of"}, []),
    ],
)
def test_they_are_found_by_what_is_known_of_them(asked: dict[str, Any], answer: list[str]) -> None:
    assert found(**asked) == answer


def test_each_is_a_result_whose_value_can_be_had(server: FakeServer) -> None:
    server.finish("first", TransportableObject(41).serialize())
    (result,) = ct.dispatches(status="COMPLETED")
    assert (result.name, result.result) == ("sweep", 41)


def test_one_request_asks_for_all_of_them(server: FakeServer) -> None:
    found(name="sweep", limit=7)
    assert server.asked == ["GET /dispatches?name=sweep&limit=7"]


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"status": "DONE"}, ValueError, "'DONE' is no status; there are: NEW_OBJECT, .*COMPLETED"),
        ({"status": 3}, ValueError, "3 is no status"),
        ({"limit": 0}, ValueError, "limit is 1 to 1000, not 0"),
        ({"limit": 1001}, ValueError, "narrow the list"),
        ({"limit": "10"}, TypeError, "limit is how many dispatches are wanted, a number, not '10'"),
        ({"limit": True}, TypeError, "not True"),
        ({"tag": ["water", "coarse"]}, TypeError, "tag is one text that .*, not \\['water', 'coarse'\\]"),
        ({"name": 3}, TypeError, "name is one text"),
        ({"dispatcher_addr": 48008}, TypeError, "a server's address is a text such as .*, not 48008"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anybody_is(
    server: FakeServer, asked: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ct.dispatches(**asked)
    assert server.asked == []


def test_without_a_server_the_error_says_how_to_start_one(server: FakeServer) -> None:
    server.stop()
    with pytest.raises(ServerUnreachableError, match="covalent start"):
        ct.dispatches()
