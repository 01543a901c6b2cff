"""What a result tells, and that it opens and fetches nothing before it is asked to."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import covalent as ct
from covalent import context
from covalent.client.waiting import get_result
from covalent.errors import DispatchFailedError, ServerError
from covalent.result import Result
from covalent.status import Status
from covalent.transportable import TransportableObject
from covalent.wire.records import NodeRecord
from covalent.wire.work import Environment
from tests.unit.client.fake_server import FakeServer, a_record


@pytest.fixture
def completed(server: FakeServer) -> Result:
    server.records["it"] = a_record("it")
    server.finish("it", TransportableObject([41, 42]).serialize())
    return get_result("it")


def _node(number: int, status: Status, **more: Any) -> NodeRecord:
    return replace(NodeRecord(node_id=number, node_name="step", kind="task", status=status), **more)


def test_the_value_is_fetched_once_and_opened_once(server: FakeServer, completed: Result) -> None:
    assert len(server.requests) == 1
    assert completed.result == [41, 42]
    assert completed.result is completed.result
    assert len(server.requests) == 2


def test_text_and_json_are_the_servers_claims_and_need_no_bytes(server: FakeServer, completed: Result) -> None:
    assert (completed.object_string, completed.json) == ("claimed", "1")
    assert completed.encoded_result is not None
    assert len(server.requests) == 1
    assert completed.encoded_result.get_deserialized() == [41, 42]


def test_times_are_aware_and_in_utc(completed: Result) -> None:
    assert completed.start_time == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert completed.end_time == datetime(1970, 1, 1, 0, 0, 2, 500_000, tzinfo=UTC)


def test_a_dispatch_that_has_not_started_has_no_times_and_no_value(server: FakeServer) -> None:
    server.records["new"] = a_record("new", Status.NEW_OBJECT)
    result = get_result("new")
    assert (result.start_time, result.end_time, result.result, result.encoded_result) == (None,) * 4
    assert (result.object_string, result.json, result.error, result.inputs) == (None,) * 4
    result.raise_for_status()


def test_a_failed_dispatch_tells_its_error_and_raises_it_when_asked(server: FakeServer) -> None:
    server.records["it"] = a_record("it")
    server.finish("it", error="step(3): Traceback: ValueError: no")
    result = get_result("it")
    assert result.result is None
    assert result.error == "step(3): Traceback: ValueError: no"
    with pytest.raises(DispatchFailedError, match=r"dispatch it is FAILED: step\(3\)"):
        result.raise_for_status()


def test_a_completed_dispatch_raises_nothing(completed: Result) -> None:
    completed.raise_for_status()


def test_inputs_are_fetched_when_they_are_asked_for(server: FakeServer) -> None:
    inputs = {"args": (1,), "kwargs": {"x": 2}}
    server.records["it"] = replace(a_record("it"), inputs=server.store(inputs).digest)
    handle = get_result("it").inputs
    assert handle is not None
    assert len(server.requests) == 1
    assert handle.object_string == str(inputs)
    assert handle.size == len(server.assets[handle.asset_id])
    assert handle.get_deserialized() == inputs
    assert len(server.requests) == 2


def test_a_node_tells_of_its_environment_and_that_it_is_being_built(server: FakeServer) -> None:
    layer = Environment(key="8d1f", resolved=("pandas==2.2.3", "pytz==2024.2"), warning="older", seconds=3.5)
    server.records["it"] = a_record("it")
    server.nodes["it"] = [
        _node(0, Status.FAILED, error="no", environment=layer),
        _node(1, Status.DISPATCHING, preparing_since=1.0),
    ]
    failed, preparing = get_result("it").get_all_node_results()
    assert failed["environment"] == {
        "key": "8d1f",
        "resolved": ["pandas==2.2.3", "pytz==2024.2"],
        "warning": "older",
        "seconds": 3.5,
    }
    assert "environment: pandas==2.2.3, pytz==2024.2" in str(failed)
    assert preparing["environment"] is None
    assert "status: DISPATCHING, its environment is being built since 1970-01-01 00:00:01" in str(preparing)


def test_a_node_tells_everything_and_its_streams_come_when_asked_for(server: FakeServer) -> None:
    server.records["it"] = a_record("it")
    server.nodes["it"] = [_node(3, Status.COMPLETED, output=server.store("out"), started_at=1.0, ended_at=2.0)]
    server.streams["it", 3, "stdout"] = "grüße".encode() + b"\xff"
    node = get_result("it").get_node_result(3)
    asked = len(server.requests)
    assert {key: node[key] for key in ("node_id", "node_name", "status", "error", "sublattice_result")} == {
        "node_id": 3,
        "node_name": "step",
        "status": "COMPLETED",
        "error": None,
        "sublattice_result": None,
    }
    assert node["end_time"] == datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)
    assert len(server.requests) == asked
    assert node["stdout"] == "grüße\ufffd"
    assert node["stderr"] == ""
    assert node["output"].get_deserialized() == "out"
    assert set(node) == {
        *("node_id", "node_name", "start_time", "end_time", "status"),
        *("output", "error", "environment", "workdir", "sublattice_result", "stdout", "stderr"),
    }
    assert dict(node)["stdout"] == node.get("stdout")
    assert len(server.requests) == asked + 3


def test_nobody_is_asked_what_a_task_printed_that_has_ended_without_a_word(server: FakeServer) -> None:
    server.records["it"] = a_record("it")
    server.nodes["it"] = [
        _node(0, Status.COMPLETED, printed=("stdout",)),
        _node(1, Status.CANCELLED, printed=()),
    ]
    server.streams["it", 0, "stdout"] = b"printed"
    server.streams["it", 1, "stdout"] = b"arrived after it was cancelled"
    zero, one = get_result("it").get_all_node_results()
    asked = len(server.requests)
    assert (zero.stdout, zero.stderr, one.stdout) == ("printed", "", "arrived after it was cancelled")
    assert len(server.requests) == asked + 2


def test_an_error_that_stands_in_stderr_too_is_shown_once(server: FakeServer) -> None:
    server.records["it"] = a_record("it")
    server.nodes["it"] = [_node(0, Status.FAILED, error="Traceback\nValueError: no")]
    server.streams["it", 0, "stderr"] = b"careful\nTraceback\nValueError: no\n"
    node = get_result("it").get_node_result(0)
    assert str(node).splitlines() == [
        "node: step(0)",
        "status: FAILED",
        "error: Traceback",
        "ValueError: no",
        "stderr: careful",
    ]
    assert node.stderr == "careful\nTraceback\nValueError: no\n"


def test_a_nodes_keys_are_attributes_too(server: FakeServer) -> None:
    server.records["it"] = a_record("it")
    server.nodes["it"] = [_node(3, Status.COMPLETED, output=server.store("out"))]
    server.streams["it", 3, "stdout"] = b"printed"
    node = get_result("it").get_node_result(3)
    assert (node.node_id, node.node_name, node.status, node.stdout) == (3, "step", "COMPLETED", "printed")
    assert set(node) <= set(dir(node))
    for missing in ("colour", "_hidden", "__wrapped__"):
        assert not hasattr(node, missing)


def test_printing_a_node_shows_all_there_is(server: FakeServer) -> None:
    server.records["it"] = a_record("it")
    server.nodes["it"] = [
        _node(0, Status.COMPLETED, output=server.store(41), started_at=1.0, ended_at=2.0),
        _node(1, Status.FAILED, error="ValueError: no"),
    ]
    server.streams["it", 0, "stdout"] = b"one\ntwo\n"
    completed, failed = get_result("it").get_all_node_results()
    assert str(completed).splitlines() == [
        "node: step(0)",
        "status: COMPLETED",
        "started: 1970-01-01 00:00:01+00:00",
        "ended: 1970-01-01 00:00:02+00:00",
        "output: 41",
        "stdout: one",
        "two",
    ]
    assert str(failed).splitlines() == ["node: step(1)", "status: FAILED", "error: ValueError: no"]


def test_what_waits_in_a_dispatch_that_has_ended_was_not_started(server: FakeServer) -> None:
    server.records["it"] = replace(a_record("it"), node_counts={"NEW_OBJECT": 2})
    server.nodes["it"] = [_node(0, Status.NEW_OBJECT)]
    assert "nodes: 2 NEW_OBJECT" in str(get_result("it"))
    assert "status: NEW_OBJECT" in str(get_result("it").get_node_result(0))
    server.finish("it", error="no")
    assert "nodes: 2 not started" in str(get_result("it"))
    assert "status: not started" in str(get_result("it").get_node_result(0))


def test_a_node_that_is_not_there_is_told_with_those_that_are(server: FakeServer) -> None:
    server.records["it"] = replace(a_record("it"), node_counts={"COMPLETED": 2, "RUNNING": 1})
    server.nodes["it"] = []
    with pytest.raises(ServerError, match="the dispatch it has no node -1; its nodes are numbered 0 to 2"):
        get_result("it").get_node_result(-1)
    with pytest.raises(ServerError, match="the dispatch it has no node 17; its nodes are numbered 0 to 2"):
        get_result("it").get_node_result(17)
    name: Any = "step"
    with pytest.raises(TypeError, match=r"by its number, not by 'step'; get_all_node_results\(\)"):
        get_result("it").get_node_result(name)


def test_all_outputs_are_handles_by_name_and_number(server: FakeServer) -> None:
    server.records["it"] = a_record("it")
    server.nodes["it"] = [
        _node(0, Status.COMPLETED, output=server.store({"a": 1})),
        _node(1, Status.COMPLETED, output=server.store(None)),
        _node(2, Status.FAILED, error="no"),
    ]
    result = get_result("it")
    outputs = result.get_all_node_outputs()
    assert list(outputs) == ["step(0)", "step(1)"]
    assert (outputs["step(0)"].json, outputs["step(0)"].object_string) == ('{"a":1}', "{'a': 1}")
    assert outputs["step(0)"] == TransportableObject({"a": 1})
    assert len(server.requests) == 2
    assert outputs["step(1)"].get_deserialized() is None
    assert [node["error"] for node in result.get_all_node_results()] == [None, None, "no"]


def test_repr_and_str_can_be_read(server: FakeServer, completed: Result) -> None:
    assert repr(completed) == "<Result of workflow it COMPLETED claimed>"
    assert "status: COMPLETED" in str(completed)
    assert "result: claimed" in str(completed)
    assert "error" not in str(completed)
    server.nodes["it"] = [_node(0, Status.COMPLETED, output=server.store(1))]
    (node,) = completed.get_all_node_results()
    assert repr(node) == "<NodeResult step(0) COMPLETED>"
    assert "TransportableObject int" in repr(node["output"])
    assert len(server.requests) == 2


@pytest.mark.parametrize(("package", "distribution"), [("far", "far"), ("fitz", "pymupdf")])
def test_only_the_value_needs_the_workflows_packages(server: FakeServer, package: str, distribution: str) -> None:
    """The value's type lives in a module that only its writer has."""
    write = (
        f"import sys, types; module = types.ModuleType({package!r}); sys.modules[{package!r}] = module\n"
        "class Thing:\n    def __str__(self): return 'a thing'\n"
        f"Thing.__module__ = {package!r}; Thing.__qualname__ = 'Thing'; module.Thing = Thing\n"
        "from covalent.transportable import TransportableObject\n"
        "sys.stdout.buffer.write(TransportableObject(Thing()).serialize())"
    )
    data = subprocess.run([sys.executable, "-c", write], check=True, capture_output=True).stdout
    server.records["it"] = a_record("it")
    server.finish("it", data)
    result = get_result("it")
    assert result.encoded_result is not None
    assert result.encoded_result.header["type_name"] == f"{package}.Thing"
    assert "a thing" in TransportableObject.from_buffer(result.encoded_result.serialize()).object_string
    install = f"'{package}' in {sys.executable}, .* -m pip install {distribution}, or"
    with pytest.raises(ModuleNotFoundError, match=install) as raised:
        result.result  # noqa: B018
    assert raised.value.name == package


def test_a_large_file_is_never_in_memory(server: FakeServer, tmp_path: Path) -> None:
    size = 32 << 20
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    with context.giving(stores=True):
        data = TransportableObject(ct.File(tmp_path / "large")).serialize()
    server.records["it"] = a_record("it")
    server.finish("it", data)
    result = get_result("it")
    tracemalloc.start()
    saved = result.result.save(tmp_path / "saved")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert saved.stat().st_size == size
    assert peak < size / 4
