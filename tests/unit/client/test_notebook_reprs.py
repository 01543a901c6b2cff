"""What a notebook shows of results and values: small, escaped, with nothing fetched and nothing opened for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import covalent as ct
from covalent.client.waiting import get_result
from covalent.lattice import Lattice
from covalent.status import Status
from covalent.transportable import TransportableObject
from covalent.wire.records import AssetDescription, NodeRecord
from tests.unit.client.fake_server import FakeServer, a_record

HOSTILE = "<script>alert('&')</script>"


def shown(thing: Any) -> dict[str, str]:
    """The rows of what a notebook shows."""
    root = ET.fromstring(thing._repr_html_())  # noqa: S314  what is tested is that it is harmless
    assert not list(root.iter("script"))
    return {"".join(row[0].itertext()): "".join(row[1].itertext()) for row in root.iter("tr")}


def test_a_result_shows_how_it_stands_and_what_it_gave(server: FakeServer) -> None:
    server.records["it"] = replace(a_record("it"), name=HOSTILE, node_counts={"COMPLETED": 2})
    server.finish("it", TransportableObject([1]).serialize())
    result = get_result("it")
    asked = len(server.requests)
    rows = shown(result)
    assert rows["workflow"] == HOSTILE
    assert (rows["dispatch id"], rows["status"], rows["nodes"], rows["result"]) == (
        *("it", "COMPLETED", "2 COMPLETED", "claimed"),
    )
    assert "error" not in rows
    assert len(server.requests) == asked


def test_a_long_error_is_folded(server: FakeServer) -> None:
    server.records["it"] = a_record("it")
    traceback = "\n".join(["step(0): Traceback", *["  File"] * 50, "ValueError: <no>"])
    server.finish("it", error=traceback)
    result = get_result("it")
    assert traceback in shown(result)["error"]
    assert "<details><summary>step(0): Traceback…</summary>" in vars(type(result))["_repr_html_"](result)


def test_a_node_is_shown_without_its_streams_which_would_have_to_be_fetched(server: FakeServer) -> None:
    server.records["it"] = a_record("it")
    output = AssetDescription(digest="0" * 64, size=9, type_name="str", object_string=HOSTILE)
    server.nodes["it"] = [NodeRecord(node_id=3, node_name="<s>", kind="task", status=Status.COMPLETED, output=output)]
    node = get_result("it").get_node_result(3)
    asked = len(server.requests)
    assert shown(node) == {"node": "<s>(3)", "status": "COMPLETED", "output": HOSTILE}
    assert len(server.requests) == asked


@pytest.mark.parametrize("type_name", ["far.Thing", ""])
def test_a_value_on_the_server_is_shown_from_its_description(server: FakeServer, type_name: str) -> None:
    described = AssetDescription(digest="0" * 64, size=1234, type_name=type_name, object_string=HOSTILE)
    server.records["it"] = replace(a_record("it"), status=Status.COMPLETED, result=described)
    handle = get_result("it").encoded_result
    asked = len(server.requests)
    rows = shown(handle)
    assert (rows["text"], rows["id"]) == (HOSTILE, "0" * 64)
    assert rows.get("type", "") == type_name
    assert rows["size"] == (f"1,234 bytes on {server.url}" if type_name else f"on {server.url}")
    assert len(server.requests) == asked


class Opened:
    """Raises when it is unpickled."""

    def __reduce__(self) -> Any:
        return _open, ()

    def __str__(self) -> str:
        return HOSTILE


def _open() -> None:
    raise AssertionError("it was opened")


def test_an_object_is_shown_unopened() -> None:
    rows = shown(TransportableObject(Opened()))
    assert rows["type"].endswith(".Opened")
    assert rows["text"] == HOSTILE
    assert rows["size"].endswith(" bytes")
    assert rows["written by"].startswith("Python 3.")


def test_a_lattice_is_shown_before_and_after_it_was_built() -> None:
    @ct.lattice(executor="slurm")
    def workflow(x: int) -> int:
        """Does <this>."""
        return ct.electron(abs)(x)

    rows = {"name": "workflow", "about": "Does <this>.", "executor": "slurm", "workflow executor": "slurm"}
    assert shown(workflow) == rows | {"tasks": "none before it is built; draw(...) shows it"}
    workflow.build_graph(1)
    assert shown(workflow) == rows | {"tasks": "1, in the last build"}
    assert shown(Lattice.deserialize_from_json(workflow.serialize_to_json())) == shown(workflow)
