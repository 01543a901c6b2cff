"""Starting a workflow: what is sent, and what is refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

import covalent as ct
from covalent.errors import ServerUnreachableError
from tests.unit.client.fake_server import FakeServer


@ct.electron
def double(x: int) -> int:
    return 2 * x


@pytest.fixture
def workflow() -> ct.Lattice[...]:
    # Made here, these functions travel by value and bring no project code of any size along.
    @ct.electron
    def twice(x: int) -> int:
        return 2 * x

    @ct.lattice
    def workflow(x: int, *, fails: bool = False) -> Any:
        if fails:
            raise LookupError("in the workflow's body")
        return twice(twice(x))

    return workflow


def test_a_dispatch_is_one_request_that_holds_the_whole_workflow(server: FakeServer, workflow: ct.Lattice[...]) -> None:
    dispatch_id = ct.dispatch(workflow)(3)
    assert server.asked == ["POST /dispatches"]
    manifest = server.manifests[dispatch_id]
    assert [node.name for node in manifest.graph.nodes] == ["twice", "twice"]
    assert manifest.inputs in server.assets
    assert {node.function for node in manifest.graph.nodes} <= server.assets.keys()


def test_dispatch_sync_waits_for_the_end_and_gives_the_result(server: FakeServer, workflow: ct.Lattice[...]) -> None:
    server.ends_at_once = ct.TransportableObject(12).serialize()
    result = ct.dispatch_sync(workflow)(3)
    assert (result.status, result.result) == ("COMPLETED", 12)
    assert len(server.requests) == 3


def test_a_dispatch_leaves_the_lattice_as_it_was(server: FakeServer, workflow: ct.Lattice[...]) -> None:
    ct.dispatch(workflow)(3)
    assert len(server.requests) == 1
    assert workflow.inputs is None
    assert workflow.transport_graph.nodes == []


def test_the_address_may_be_given(
    server: FakeServer, workflow: ct.Lattice[...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVALENT_SERVER_URL", "http://127.0.0.1:1")
    assert ct.dispatch(workflow, f"127.0.0.1:{server.port}")(1) in server.records


def test_an_exception_in_the_workflows_body_comes_out_unchanged_and_nothing_is_sent(
    server: FakeServer, workflow: ct.Lattice[...]
) -> None:
    with pytest.raises(LookupError, match="in the workflow's body"):
        ct.dispatch(workflow)(1, fails=True)
    assert server.requests == []


def test_without_a_server_the_script_is_told_how_to_start_one(server: FakeServer, workflow: ct.Lattice[...]) -> None:
    server.stop()
    with pytest.raises(ServerUnreachableError, match="covalent start"):
        ct.dispatch(workflow)(1)


def _plain() -> int:
    return 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (_plain, r"the function '_plain'; write ct\.dispatch\(ct\.lattice\(_plain\)\)"),
        (double, r"the electron 'double'; write ct\.dispatch\(ct\.lattice\(double\)\)"),
        (7, r"an object of type 'int'; write ct\.dispatch\(workflow\)\(\.\.\.\)"),
        ("workflow", "an object of type 'str'"),
    ],
)
@pytest.mark.parametrize("start", [ct.dispatch, ct.dispatch_sync])
def test_anything_but_a_lattice_is_refused_with_how_to_make_one(start: Any, given: object, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        start(given)
