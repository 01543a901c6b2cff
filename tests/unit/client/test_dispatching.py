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


def test_what_is_said_of_a_dispatch_stands_in_its_manifest(server: FakeServer, workflow: ct.Lattice[...]) -> None:
    start = ct.dispatch(
        workflow, name="a trial 👩\u200d🔬", tags=["small", "nightly"], env={"OMP_NUM_THREADS": "1"}, priority=-3
    )
    manifest = server.manifests[start(3)]
    assert (manifest.name, manifest.tags, manifest.priority) == ("a trial 👩\u200d🔬", ("small", "nightly"), -3)
    assert (manifest.env, manifest.requires, manifest.hold) == ({"OMP_NUM_THREADS": "1"}, ("variables",), False)


def test_what_is_left_out_is_what_it_was_before(server: FakeServer, workflow: ct.Lattice[...]) -> None:
    manifest = server.manifests[ct.dispatch(workflow)(3)]
    assert (manifest.name, manifest.tags, manifest.env, manifest.priority) == (None, (), {}, 0)
    assert (manifest.requires, manifest.hold, manifest.reuse, manifest.redispatch_of) == ((), False, None, None)


def test_a_workflow_is_registered_without_being_started(server: FakeServer, workflow: ct.Lattice[...]) -> None:
    dispatch_id = ct.dispatch(workflow, disable_run=True)(3)
    assert server.manifests[dispatch_id].hold
    assert ct.get_result(dispatch_id).status == "NEW_OBJECT"


def test_an_argument_in_the_first_call_is_told_before_anything_is_built(workflow: ct.Lattice[...]) -> None:
    with pytest.raises(TypeError, match=r"3 stands where .* in the second call: ct\.dispatch\(.*\)\(3\)"):
        ct.dispatch(workflow, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "kind", "told"),
    [
        ({"name": 3}, TypeError, "name is what the dispatch is called, a text, not 3"),
        ({"name": "  "}, ValueError, "name is one line of 1 to 1024 characters"),
        ({"name": "a\nb"}, ValueError, "name is one line"),
        ({"name": "a" * 1025}, ValueError, "name is one line"),
        ({"name": "\udc80"}, ValueError, "name is one line"),
        ({"tags": "nightly"}, TypeError, r"tags is a list of words, so write tags=\['nightly'\]"),
        ({"tags": 3}, TypeError, "tags is a list of words such as .* not 3"),
        ({"tags": ["a", 3]}, TypeError, "a tag is a text such as 'nightly', not 3"),
        ({"tags": [""]}, ValueError, "a tag is one line of 1 to 200 characters"),
        ({"tags": ["a"] * 101}, ValueError, "at most 100 tags, not 101"),
        ({"env": {"A": {"secrets": "key"}}}, TypeError, "names and values in env are text"),
        ({"env": {"A": {"secret": "../key"}}}, ValueError, "takes the name of a secret"),
        ({"env": ["A=1"]}, TypeError, "env is a dict of environment variables such as"),
        ({"env": {"THREADS": 1}}, TypeError, "are text; write env={'THREADS': '1'}"),
        ({"env": {3: "1"}}, TypeError, "are text; write env={'3': '1'}"),
        ({"env": {"1A": ""}}, ValueError, "'1A' in env is no name of a variable"),
        ({"env": {"A": "x\0"}}, ValueError, "the value of A in env holds a NUL"),
        ({"env": {"LD_PRELOAD": "x"}}, ValueError, "env cannot set LD_PRELOAD: .* which code a worker loads"),
        ({"env": {"PYTHONPATH": "x"}}, ValueError, "env cannot set PYTHONPATH: .*LocalExecutor"),
        ({"env": {"COVALENT_API_TOKEN": "x"}}, ValueError, "env cannot set COVALENT_API_TOKEN: .* which server"),
        ({"priority": "high"}, TypeError, "priority is a whole number, higher for sooner, 0 for the usual, not 'high'"),
        ({"priority": True}, TypeError, "priority is a whole number"),
        ({"priority": 10**7}, ValueError, "priority is a whole number from -1000000 to 1000000, not 10000000"),
        ({"disable_run": "no"}, TypeError, "disable_run is True or False, not 'no'"),
    ],
)
def test_what_cannot_be_said_of_a_dispatch_is_refused_before_anything_is_built(
    server: FakeServer, workflow: ct.Lattice[...], given: dict[str, Any], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told):
        ct.dispatch(workflow, **given)
    assert server.requests == []
