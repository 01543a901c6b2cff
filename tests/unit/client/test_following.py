"""Following what a task prints, from Python: over HTTP, and through restarts of the server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

import covalent as ct
from covalent.errors import MissingLatticeRecordError, ServerError
from covalent.result import Result
from covalent.status import Status
from tests.unit.client.fake_server import FakeServer


@pytest.fixture
def result(server: FakeServer) -> Result:
    """A dispatch whose two tasks run."""
    step = ct.electron(lambda x: x)
    dispatch_id = ct.dispatch(ct.lattice(lambda: [step(1), step(2)]))()
    server.run(dispatch_id, Status.RUNNING, {})
    for number in (0, 1):
        server.becomes(dispatch_id, number, Status.RUNNING)
    return ct.get_result(dispatch_id)


def test_text_comes_while_the_task_runs_until_it_has_ended(server: FakeServer, result: Result) -> None:
    server.prints(result.dispatch_id, 0, b"one\n")
    pieces = result.follow(0)
    assert next(pieces) == "one\n"
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(next, pieces)
        server.wait_until_somebody_waits()
        server.prints(result.dispatch_id, 0, "grüße".encode())
        assert waiting.result(timeout=30) == "grüße"
        waiting = threads.submit(next, pieces, "the end")
        server.wait_until_somebody_waits()
        server.becomes(result.dispatch_id, 0, Status.COMPLETED)
        assert waiting.result(timeout=30) == "the end"


def test_following_survives_a_restart_of_the_server(server: FakeServer, result: Result) -> None:
    server.prints(result.dispatch_id, 0, b"before, ", "stderr")
    with ThreadPoolExecutor() as threads:
        following = threads.submit("".join, result.follow(0, stream="stderr"))
        server.wait_until_somebody_waits()
        server.stop()
        server.start()
        server.wait_until_somebody_waits()
        server.prints(result.dispatch_id, 0, b"after", "stderr")
        server.becomes(result.dispatch_id, 0, Status.FAILED)
        assert following.result(timeout=30) == "before, after"


def test_without_a_number_all_tasks_are_followed_until_the_dispatch_has_ended(
    server: FakeServer, result: Result
) -> None:
    server.run(result.dispatch_id, Status.COMPLETED, {0: 1, 1: 2})
    server.prints(result.dispatch_id, 0, b"a\nb")
    server.prints(result.dispatch_id, 1, b"c\n")
    assert list(result.follow()) == ["<lambda>(0): a\n", "<lambda>(0): b\n", "<lambda>(1): c\n"]


def test_what_cannot_be_followed_is_told_at_once(server: FakeServer, result: Result) -> None:
    with pytest.raises(ValueError, match="stream is 'stdout' or 'stderr', not 'stdin'"):
        result.follow(0, stream="stdin")
    with pytest.raises(ServerError, match="has no node 17"):
        result.follow(17)
    name: Any = "step"
    with pytest.raises(TypeError, match="by its number, not by 'step'"):
        result.follow(name)
    del server.nodes[result.dispatch_id], server.records[result.dispatch_id]
    with pytest.raises(MissingLatticeRecordError):
        list(result.follow())


def test_a_sublattices_result_is_that_of_its_dispatch(server: FakeServer, result: Result) -> None:
    server.nodes[result.dispatch_id][1] = replace(server.nodes[result.dispatch_id][1], child="child")
    server.records["child"] = replace(
        server.records[result.dispatch_id],
        dispatch_id="child",
        root_dispatch_id=result.dispatch_id,
        parent=result.dispatch_id,
        parent_node=1,
    )
    plain, nested = result.get_node_result(0), result.get_node_result(1)
    asked = len(server.requests)
    assert "sublattice_result" in nested
    assert len(server.requests) == asked
    assert plain["sublattice_result"] is None
    inner = nested["sublattice_result"]
    assert (inner.dispatch_id, inner.root_dispatch_id) == ("child", result.dispatch_id)
    assert f"sublattice of: {result.dispatch_id}, node 1" in str(inner)
    assert nested.sublattice_result is inner
    assert server.asked[asked:] == ["GET /dispatches/child"]


def test_why_is_answered_of_one_task_or_of_all_and_a_name_is_refused(result: Result) -> None:
    assert [item.node_id for item in result.why()] == [0, 1, 2]
    (found,) = result.why(1)
    assert (found.node_id, str(found)) == (1, "<lambda>(1): all are busy; wait")
    with pytest.raises(ServerError, match="has no node 17"):
        result.why(17)
    name: Any = "step"
    with pytest.raises(TypeError, match="by its number, not by 'step'"):
        result.why(name)
