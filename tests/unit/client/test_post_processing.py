"""Putting a workflow's value together on the client: with the server, without it, and when something is missing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import covalent as ct
from covalent.errors import PostProcessingError, ServerError
from covalent.inputs import InputPathError
from covalent.result import Result
from covalent.status import Status
from tests.unit.client.fake_server import FakeServer

PENDING = Status.PENDING_POSTPROCESSING
OUTPUTS = {0: 1, 1: [2], 2: 3}
VALUE = {"sum": 3, "parts": (1, [2])}


@pytest.fixture
def dispatch_id(server: FakeServer) -> str:
    """A dispatch that has all its outputs, and whose value is left to the client."""
    step = ct.electron(lambda x: x)
    add = ct.electron(lambda a, b: a + b)

    @ct.lattice(workflow_executor="client")
    def workflow(x: int) -> Any:
        one, two = step(x), step([x])
        return {"sum": add(one, two[0]), "parts": (one, two)}

    dispatch_id = ct.dispatch(workflow)(1)
    server.run(dispatch_id, PENDING, OUTPUTS)
    return dispatch_id


def _without(
    server: FakeServer, dispatch_id: str, status: Status, outputs: dict[int, object], **changes: Any
) -> Result:
    server.run(dispatch_id, status, outputs, **changes)
    return ct.get_result(dispatch_id)


def test_the_value_is_put_together_here_and_told_to_the_server(server: FakeServer, dispatch_id: str) -> None:
    result = ct.get_result(dispatch_id)
    assert (result.status, result.result, result.encoded_result) == ("PENDING_POSTPROCESSING", None, None)
    result.raise_for_status()
    assert result.post_process() == VALUE
    assert (result.status, result.result) == ("COMPLETED", VALUE)
    assert result.end_time is not None
    assert ct.get_result(dispatch_id).result == VALUE
    assert server.asked.count(f"POST /dispatches/{dispatch_id}/result") == 1


def test_a_workflow_function_that_is_run_again_acts_on_real_values(server: FakeServer, tmp_path: Path) -> None:
    double = ct.electron(lambda x: 2 * x)

    @ct.lattice(postprocess="replay", workflow_executor="client")
    def workflow(x: int) -> Any:
        doubled = [double(x), double(x + 1)]
        return [*doubled, type(doubled[0]).__name__, "large" if x > 1 else "small"]

    dispatch_id = ct.dispatch(workflow)(3)
    server.run(dispatch_id, PENDING, {0: 6, 1: 8})
    path = ct.get_result(dispatch_id).save(tmp_path)
    result = ct.get_result(dispatch_id)
    server.stop()
    assert result.post_process() == Result.load(path).post_process() == [6, 8, "int", "large"]


def test_waiting_ends_when_all_that_is_left_is_the_clients(server: FakeServer, dispatch_id: str) -> None:
    server.run(dispatch_id, Status.RUNNING, {})
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(ct.get_result, dispatch_id, wait=True)
        server.wait_until_somebody_waits()
        server.run(dispatch_id, PENDING, OUTPUTS)
        assert waiting.result(timeout=30).status == PENDING


def test_with_the_server_stopped_the_value_is_still_put_together(server: FakeServer, dispatch_id: str) -> None:
    result = ct.get_result(dispatch_id)
    server.stop()
    assert result.post_process() == VALUE
    assert result.result == VALUE
    assert result.encoded_result is not None
    assert (result.object_string, result.status) == (str(VALUE), PENDING)
    server.start()
    assert ct.get_result(dispatch_id).status == PENDING
    assert result.post_process() is result.result
    assert ct.get_result(dispatch_id).status == result.status == "COMPLETED"


def test_a_saved_result_is_finished_elsewhere_and_saved_with_its_value(
    server: FakeServer, dispatch_id: str, tmp_path: Path
) -> None:
    path = ct.get_result(dispatch_id).save(tmp_path)
    server.stop()
    result = Result.load(path)
    assert result.post_process() == VALUE
    again = Result.load(result.save(tmp_path / "finished.zip"))
    assert (again.result, again.status) == (VALUE, PENDING)


def test_doing_it_again_gives_the_same_and_asks_nothing(server: FakeServer, dispatch_id: str) -> None:
    result = ct.get_result(dispatch_id)
    first = result.post_process()
    asked = len(server.requests)
    assert result.post_process() is first
    assert len(server.requests) == asked


def test_on_a_completed_dispatch_it_is_the_value_that_there_is(server: FakeServer, dispatch_id: str) -> None:
    server.finish(dispatch_id, ct.TransportableObject("the value").serialize())
    assert ct.get_result(dispatch_id).post_process() == "the value"


def test_who_is_second_gets_the_value_and_how_it_stands(server: FakeServer, dispatch_id: str) -> None:
    first, second = ct.get_result(dispatch_id), ct.get_result(dispatch_id)
    assert first.post_process() == second.post_process() == VALUE
    assert (second.status, server.records[dispatch_id].status) == ("COMPLETED", "COMPLETED")


def test_after_a_failed_attempt_elsewhere_the_value_is_had_here_and_the_status_stays(
    server: FakeServer, dispatch_id: str
) -> None:
    result = _without(server, dispatch_id, Status.FAILED_POSTPROCESSING, OUTPUTS, error="collect(3): no numpy")
    assert result.post_process() == VALUE
    assert (result.status, result.result) == ("FAILED_POSTPROCESSING", VALUE)
    assert not [asked for asked in server.asked if asked.endswith("/result")]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (Status.RUNNING, r"was RUNNING when this result was made.*wait for them: ct\.get_result\('dispatch-0', wait=T"),
        (Status.FAILED, "was FAILED when this result was made, so outputs are missing: step failed"),
        (Status.CANCELLED, "was CANCELLED when this result was made, so outputs are missing"),
    ],
)
def test_a_dispatch_without_its_outputs_says_so(
    server: FakeServer, dispatch_id: str, status: Status, told: str
) -> None:
    result = _without(server, dispatch_id, status, OUTPUTS, error="step failed")
    with pytest.raises(PostProcessingError, match=told):
        result.post_process()


def test_outputs_that_are_missing_are_named(server: FakeServer, dispatch_id: str) -> None:
    result = _without(server, dispatch_id, Status.FAILED_POSTPROCESSING, {0: 1, 1: [2]})
    with pytest.raises(PostProcessingError, match=r"without all outputs: <lambda>\(2\) is NEW_OBJECT"):
        result.post_process()


def test_a_value_that_is_one_tasks_output_needs_no_putting_together(server: FakeServer) -> None:
    dispatch_id = ct.dispatch(ct.lattice(ct.electron(lambda: 1)))()
    result = _without(server, dispatch_id, Status.FAILED_POSTPROCESSING, {0: 1})
    with pytest.raises(PostProcessingError, match="is a constant or one task's output"):
        result.post_process()


def test_what_cannot_be_taken_from_an_output_names_node_and_path(server: FakeServer) -> None:
    pair = ct.electron(lambda: [1])
    dispatch_id = ct.dispatch(ct.lattice(lambda: [pair()[3]], workflow_executor="client"))()
    result = _without(server, dispatch_id, PENDING, {0: [1]})
    with pytest.raises(InputPathError, match=r"node 0 gave no \[3\]"):
        result.post_process()


def test_a_value_that_cannot_be_serialised_is_returned_with_a_warning(server: FakeServer) -> None:
    part = ct.electron(lambda: 1)
    dispatch_id = ct.dispatch(ct.lattice(lambda: [part()], workflow_executor="client"))()
    result = _without(server, dispatch_id, PENDING, {0: _OpensAsLock()})
    with pytest.warns(UserWarning, match="the value cannot be serialised, so it is stored nowhere"):
        (value,) = result.post_process()
    assert result.post_process()[0] is value
    assert (result.status, result.encoded_result) == (PENDING, None)


class _OpensAsLock:
    """Can be written, but not what it opens as."""

    def __reduce__(self) -> tuple[Any, ...]:
        return threading.Lock, ()


def test_a_server_that_refuses_the_value_is_heard_and_the_value_is_kept(server: FakeServer, dispatch_id: str) -> None:
    result = ct.get_result(dispatch_id)
    del server.records[dispatch_id]
    with pytest.raises(ServerError):
        result.post_process()
    assert result.result == VALUE


def test_fetching_ahead_takes_one_request_for_all_small_outputs(server: FakeServer, dispatch_id: str) -> None:
    asked = len(server.requests)
    ct.get_result(dispatch_id)
    assert server.asked[asked:] == [
        f"GET /dispatches/{dispatch_id}",
        f"GET /dispatches/{dispatch_id}/manifest",
        f"GET /dispatches/{dispatch_id}/nodes",
        "POST /assets/batch",
    ]


def test_large_outputs_are_fetched_ahead_one_by_one(server: FakeServer, dispatch_id: str) -> None:
    large = "x" * 100_000
    server.run(dispatch_id, PENDING, {0: large, 1: [2], 2: 3})
    result = ct.get_result(dispatch_id)
    server.stop()
    assert result.post_process()["parts"][0] == large


def test_nothing_is_fetched_ahead_of_who_does_without_outputs(server: FakeServer, dispatch_id: str) -> None:
    asked = len(server.requests)
    result = ct.get_result(dispatch_id, intermediate_outputs=False)
    assert server.asked[asked:] == [f"GET /dispatches/{dispatch_id}"]
    assert result.post_process() == VALUE


def test_dispatch_sync_is_ready_to_finish(server: FakeServer) -> None:
    part = ct.electron(lambda: 1)
    started = threading.Event()

    def end() -> None:
        started.wait(30)
        server.wait_until_somebody_waits()
        server.run("dispatch-0", PENDING, {0: 1})

    with ThreadPoolExecutor() as threads:
        ending = threads.submit(end)
        started.set()
        result = ct.dispatch_sync(ct.lattice(lambda: [part()], workflow_executor="client"))()
        ending.result(timeout=30)
    server.stop()
    assert result.post_process() == [1]
