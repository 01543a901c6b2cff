"""Cancelling: what is asked of the server, what is said of it, and what is refused before it is asked."""

from __future__ import annotations

import re
from typing import Any

import pytest

import covalent as ct
from covalent.errors import MissingLatticeRecordError, ServerError, ServerUnreachableError
from covalent.status import Status
from covalent.wire.records import NodeRecord
from tests.unit.client.fake_server import FakeServer, a_record


@pytest.fixture(autouse=True)
def _a_running_dispatch(server: FakeServer) -> None:
    server.records["it"] = a_record("it")
    server.nodes["it"] = [
        NodeRecord(node_id=number, node_name="task", kind="task", status=Status.RUNNING) for number in range(3)
    ]


def standing(server: FakeServer) -> list[Status]:
    return [node.status for node in server.nodes["it"]]


def test_a_dispatch_is_cancelled_whole(server: FakeServer) -> None:
    assert ct.cancel("it") == "Cancelled the dispatch it."
    assert server.records["it"].status is Status.CANCELLED
    assert server.asked == ["POST /dispatches/it/cancel"]


@pytest.mark.parametrize(
    ("task_ids", "named", "left"),
    [
        (1, "the task 1", [0, 2]),
        (0, "the task 0", [1, 2]),
        ([2, 0], "the tasks 2 and 0", [1]),
        ((0, 1, 2), "the tasks 0, 1 and 2", []),
        ({1}, "the task 1", [0, 2]),
        ((number for number in (1, 1)), "the task 1", [0, 2]),
    ],
)
def test_single_tasks_are_cancelled_by_their_numbers(
    server: FakeServer, task_ids: Any, named: str, left: list[int]
) -> None:
    assert ct.cancel("it", task_ids) == f"Cancelled what had not ended of {named} of the dispatch it; it is RUNNING."
    assert [number for number, status in enumerate(standing(server)) if status is Status.RUNNING] == left


def test_numbers_of_numpy_are_numbers(server: FakeServer) -> None:
    numpy = pytest.importorskip("numpy")
    ct.cancel("it", numpy.array([0, 2]))
    assert standing(server) == [Status.CANCELLED, Status.RUNNING, Status.CANCELLED]


def test_what_has_ended_stays_as_it_is(server: FakeServer) -> None:
    server.finish("it", b"output")
    assert ct.cancel("it") == "Nothing is left to cancel of the dispatch it: it is COMPLETED."


@pytest.mark.parametrize("task_ids", ["0", b"0", 1.0, [None], ["task"], True, [0, False], {"a": 1}])
def test_what_is_no_number_of_a_task_is_refused_before_anybody_is_asked(server: FakeServer, task_ids: Any) -> None:
    with pytest.raises(TypeError, match=r"task_ids takes the number of a task or a list of them, not .*get_all_node"):
        ct.cancel("it", task_ids)
    assert server.asked == []


@pytest.mark.parametrize("task_ids", [-1, [0, -3]])
def test_a_negative_number_is_refused(server: FakeServer, task_ids: Any) -> None:
    with pytest.raises(ValueError, match="begin with 0, not -"):
        ct.cancel("it", task_ids)
    assert server.asked == []


def test_an_empty_list_does_not_cancel_the_whole_dispatch(server: FakeServer) -> None:
    with pytest.raises(ValueError, match="nothing was cancelled; leave it out to cancel the whole dispatch"):
        ct.cancel("it", [])
    assert server.records["it"].status is Status.RUNNING


def test_an_id_that_is_no_text_is_a_type_error() -> None:
    no_id: Any = ct.dispatch(ct.lattice(len))
    with pytest.raises(TypeError, match=re.escape("did you forget the call: ct.dispatch(workflow)(...)?")):
        ct.cancel(no_id)


@pytest.mark.parametrize("task_ids", [None, [0]])
@pytest.mark.parametrize("dispatch_id", ["other", "../it", ""])
def test_an_unknown_dispatch_is_said_to_be_unknown(dispatch_id: str, task_ids: Any) -> None:
    with pytest.raises(MissingLatticeRecordError):
        ct.cancel(dispatch_id, task_ids)


def test_an_unknown_task_is_the_servers_refusal(server: FakeServer) -> None:
    with pytest.raises(ServerError, match="there is no such thing"):
        ct.cancel("it", [0, 7])
    assert standing(server) == [Status.RUNNING] * 3


def test_a_lost_answer_is_asked_for_again(server: FakeServer) -> None:
    server.losses = 1
    assert ct.cancel("it") == "Cancelled the dispatch it."
    assert server.asked == ["POST /dispatches/it/cancel"] * 2


def test_the_server_can_be_named(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVALENT_SERVER_URL", "http://localhost:1")
    assert ct.cancel("it", dispatcher_addr=server.url) == "Cancelled the dispatch it."


def test_without_a_server_the_error_says_how_to_start_one(server: FakeServer) -> None:
    server.stop()
    with pytest.raises(ServerUnreachableError, match="covalent start"):
        ct.cancel("it")
