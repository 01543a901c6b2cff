"""Running a dispatch again: what is sent, what is fetched for it, and what is refused."""

from __future__ import annotations

import importlib
import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import covalent as ct
from covalent.errors import ArgumentsError, FeatureError, GraphError, MissingLatticeRecordError
from covalent.transportable import TransportableObject
from covalent.wire.manifest import Kind, Manifest
from tests.unit.client.fake_server import FakeServer


@pytest.fixture
def workflow() -> ct.Lattice[...]:
    # Made here, these functions travel by value and bring no project code of any size along.
    @ct.electron
    def load(path: str, *, rows: int = 3) -> list[int]:
        return [len(path)] * rows

    @ct.electron
    def fit(data: list[int], degree: int) -> int:
        return sum(data) + degree

    @ct.lattice(executor=ct.executor.LocalExecutor(workdir="/work"), timeout=7)
    def workflow(path: str, degrees: int = 2) -> Any:
        data = load(path, rows=2)
        return [fit(data, degree) for degree in range(degrees)]

    return workflow


def _again(server: FakeServer, dispatch_id: str, *args: Any, **keywords: Any) -> Manifest:
    return server.manifests[ct.redispatch(dispatch_id, **keywords)(*args)]


def _names(manifest: Manifest) -> list[str]:
    return [node.name for node in manifest.graph.nodes]


def _files(server: FakeServer, manifest: Manifest) -> dict[str, bytes]:
    """The user's own modules that a dispatch was sent with."""
    (content,) = TransportableObject.from_buffer(server.assets[str(manifest.project)]).parts()
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# -- with the arguments that it had


def test_a_repetition_is_the_stored_json_and_nothing_else_is_asked_for(
    server: FakeServer, workflow: ct.Lattice[...]
) -> None:
    first = ct.dispatch(workflow, name="a trial", tags=["x"], env={"A": "1"}, priority=4)("data", degrees=1)
    original = server.manifests[first]
    stored = set(server.assets)
    second = ct.redispatch(first)()
    assert second != first
    assert server.asked[1:] == [f"GET /dispatches/{first}/manifest", "POST /dispatches"]
    assert server.manifests[second] == replace(original, redispatch_of=first)
    assert server.manifests[first] is original
    assert set(server.assets) == stored


def test_a_dispatch_that_was_only_registered_is_started_by_its_repetition(
    server: FakeServer, workflow: ct.Lattice[...]
) -> None:
    first = ct.dispatch(workflow, disable_run=True)("data")
    assert not _again(server, first).hold
    assert server.manifests[first].hold


def test_results_are_taken_over_only_when_that_is_asked_for(server: FakeServer, workflow: ct.Lattice[...]) -> None:
    first = ct.dispatch(workflow)("data")
    assert _again(server, first).reuse is None
    assert _again(server, first, reuse_previous_results=True).reuse == first


def test_the_address_may_be_given(
    server: FakeServer, workflow: ct.Lattice[...], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ct.dispatch(workflow)("data")
    monkeypatch.setenv("COVALENT_SERVER_URL", "http://127.0.0.1:1")
    assert ct.redispatch(first, f"127.0.0.1:{server.port}")() in server.records


# -- with other electrons


def test_every_node_of_the_name_gets_the_new_function_and_what_belongs_to_it(
    server: FakeServer, workflow: ct.Lattice[...]
) -> None:
    @ct.electron(retries=2, call_before=ct.DepsCall(print))
    def better(values: list[int], order: int) -> int:
        return max(values) * order

    first = ct.dispatch(workflow)("data")
    original = server.manifests[first]
    stored = set(server.assets)
    manifest = _again(server, first, replace_electrons={"fit": better})
    old, new = original.graph.nodes, manifest.graph.nodes
    assert _names(manifest) == ["load", "fit", "fit", "collect"]
    assert (new[0], new[3]) == (old[0], old[3])
    for before, after in zip(old[1:3], new[1:3], strict=True):
        assert (after.args, after.kwargs, after.kind) == (before.args, before.kwargs, before.kind)
        assert before.function != after.function
        assert before.function_id != after.function_id != ""
        assert after.metadata.retries == 2
        assert {after.function, *after.metadata.hooks.call_before} == set(server.assets) - stored
    assert TransportableObject.from_buffer(server.assets[new[1].function]).get_deserialized()([2, 3], 4) == 12
    assert {link.edge_name for link in manifest.graph.links if link.target == 1} == {"values"}
    assert manifest.requires == ("call-hooks", "timeouts")


def test_what_the_new_electron_leaves_open_comes_from_the_lattice(
    server: FakeServer, workflow: ct.Lattice[...]
) -> None:
    first = ct.dispatch(workflow)("data")
    changed = _again(
        server, first, replace_electrons={"fit": ct.electron(lambda data, degree: [data, degree])}
    ).graph.nodes[1]
    assert changed.metadata.executor_data == server.manifests[first].graph.nodes[1].metadata.executor_data
    assert (changed.metadata.executor_data["workdir"], changed.metadata.timeout) == ("/work", 7)


def test_a_plain_function_and_a_lattice_stand_in_for_electrons(server: FakeServer, workflow: ct.Lattice[...]) -> None:
    first = ct.dispatch(workflow)("data")
    inner = ct.lattice(lambda data, degree: [data, degree])
    manifest = _again(server, first, replace_electrons={"load": lambda path, rows: [path] * rows, "fit": inner})
    assert [node.kind for node in manifest.graph.nodes] == [Kind.TASK, Kind.SUBLATTICE, Kind.SUBLATTICE, Kind.COLLECT]
    assert "sublattices" in manifest.requires


def test_a_new_function_that_does_not_take_a_nodes_arguments_is_refused(
    server: FakeServer, workflow: ct.Lattice[...]
) -> None:
    first = ct.dispatch(workflow)("data")
    asked = len(server.requests)
    told = r"fit\(1\) cannot be replaced by narrow: Too many positional arguments given, expected 1, received 2"

    def narrow(data: list[int]) -> int:
        return len(data)

    with pytest.raises(ArgumentsError, match=told):
        ct.redispatch(first, replace_electrons={"fit": narrow})()
    with pytest.raises(ArgumentsError, match=r"load\(0\) cannot be replaced by .*Unexpected keyword arguments: rows"):
        ct.redispatch(first, replace_electrons={"load": lambda path: path})()
    assert len(server.records) == 1
    assert server.asked[asked:] == [f"GET /dispatches/{first}/manifest"] * 2


def test_a_name_that_no_electron_has_is_told_with_those_there_are(
    server: FakeServer, workflow: ct.Lattice[...]
) -> None:
    first = ct.dispatch(workflow)("data")
    with pytest.raises(
        GraphError, match=r"the workflow workflow has no electron 'fitt' to replace; it has: fit, load$"
    ):
        ct.redispatch(first, replace_electrons={"fitt": print, "fit": lambda data, degree: [data, degree]})()
    with pytest.raises(GraphError, match="has no electron 'collect'"):
        ct.redispatch(first, replace_electrons={"collect": print})()
    assert list(server.records) == [first]


def test_electrons_inside_a_sublattice_are_replaced_with_the_whole_of_it(server: FakeServer) -> None:
    deep = ct.electron(lambda x: x)

    @ct.electron
    @ct.lattice
    def inner(x: int) -> Any:
        return deep(x)

    first = ct.dispatch(ct.lattice(lambda x: [inner(x)]))(1)
    with pytest.raises(GraphError, match=r"no electron 'deep' .* inside a sublattice \(inner\) are replaced by repl"):
        ct.redispatch(first, replace_electrons={"deep": print})()
    assert _again(server, first, replace_electrons={"inner": lambda x: 2 * x}).graph.nodes[0].kind is Kind.TASK


# -- with other arguments


def test_other_arguments_build_the_graph_again_with_the_same_options(
    server: FakeServer, workflow: ct.Lattice[...]
) -> None:
    first = ct.dispatch(workflow, tags=["x"], env={"A": "1"})("data", degrees=1)
    manifest = _again(server, first, "other", 3, reuse_previous_results=True)
    assert _names(manifest) == ["load", "fit", "fit", "fit", "collect"]
    assert manifest.graph.nodes[0].args == ({"value": "other"},)
    assert manifest.graph.nodes[0].function_id == server.manifests[first].graph.nodes[0].function_id
    assert {node.metadata.timeout for node in manifest.graph.nodes[:-1]} == {7}
    assert manifest.lattice == server.manifests[first].lattice
    assert (manifest.tags, manifest.env, manifest.reuse, manifest.redispatch_of) == (("x",), {"A": "1"}, first, first)
    assert manifest.requires == ("timeouts", "variables")
    inputs = TransportableObject.from_buffer(server.assets[str(manifest.inputs)])
    assert inputs.get_deserialized() == {"args": ("other", 3), "kwargs": {}}


def test_arguments_by_keyword_count_as_other_arguments(server: FakeServer, workflow: ct.Lattice[...]) -> None:
    first = ct.dispatch(workflow)("data")
    dispatch_id = ct.redispatch(first)(path="other")
    assert server.manifests[dispatch_id].graph.nodes[0].args == ({"value": "other"},)


def test_what_was_rebuilt_can_be_rebuilt_again(server: FakeServer, workflow: ct.Lattice[...]) -> None:
    first = ct.dispatch(workflow)("data")
    second = ct.redispatch(first)("other")
    assert _names(_again(server, second, "third", 1)) == ["load", "fit", "collect"]


def test_replay_and_the_clients_executor_are_remembered(server: FakeServer) -> None:
    double = ct.electron(lambda x: 2 * x)
    replayed = ct.lattice(lambda x: [double(x)], postprocess="replay", workflow_executor="client")
    first = ct.dispatch(replayed)(1)
    last = _again(server, first, 2).graph.nodes[-1]
    assert (last.kind, last.metadata.executor) == (Kind.REPLAY, "client")


def test_other_arguments_and_other_electrons_go_together(server: FakeServer, workflow: ct.Lattice[...]) -> None:
    first = ct.dispatch(workflow)("data")
    stored = set(server.assets)
    manifest = _again(server, first, "other", 1, replace_electrons={"fit": lambda data, degree: [data, degree]})
    changed = manifest.graph.nodes[1]
    assert changed.function not in stored
    assert changed.function_id
    assert changed.metadata.timeout == 7


def test_an_electron_that_was_replaced_before_stays_replaced(
    server: FakeServer, workflow: ct.Lattice[...], steps: Callable[..., Any]
) -> None:
    first = ct.dispatch(workflow)("data")
    new = steps("def fit(data, degree):\n    return 1\n")
    second = ct.redispatch(first, replace_electrons={"fit": ct.electron(new.fit, retries=5)})()
    before = server.manifests[second].graph.nodes[1]
    third = _again(server, second, "other", 3)
    fits = [node for node in third.graph.nodes if node.name == "fit"]
    assert [replace(fit, id=1, args=before.args) for fit in fits] == [before] * 3
    assert list(_files(server, third)) == ["redispatched_steps.py"]
    fourth = _again(server, second, "other", replace_electrons={"load": lambda path, rows: [path] * rows})
    assert fourth.graph.nodes[1].function == before.function
    assert fourth.lattice is not None
    assert fourth.lattice.replaced == ("fit", "load")
    fifth = _again(server, second, "other", 1, replace_electrons={"fit": lambda data, degree: [data, degree]})
    assert fifth.graph.nodes[1].function != before.function


def test_arguments_that_the_workflow_does_not_take_are_refused_here(
    server: FakeServer, workflow: ct.Lattice[...]
) -> None:
    first = ct.dispatch(workflow)("data")
    with pytest.raises(ArgumentsError, match=r"Unexpected keyword arguments: paths \(did you mean path\?\)"):
        ct.redispatch(first)(paths="other")
    assert len(server.records) == 1


def test_a_workflow_function_that_was_not_stored_cannot_be_run_with_other_arguments(server: FakeServer) -> None:
    lock = threading.Lock()
    one = ct.electron(lambda: 1)

    @ct.lattice
    def guarded(x: int) -> Any:
        with lock:
            return [one(), x]

    first = ct.dispatch(guarded)(1)
    assert _names(_again(server, first)) == ["<lambda>", "collect"]
    with pytest.raises(GraphError, match="the function of the workflow guarded could not be stored"):
        ct.redispatch(first)(2)


def test_a_workflow_function_that_cannot_be_opened_here_says_that_repeating_needs_nothing(server: FakeServer) -> None:
    """Its module exists where it was dispatched and not here."""
    write = (
        "import sys, types; module = types.ModuleType('far'); sys.modules['far'] = module\n"
        "class Workflow:\n    def __call__(self, x): return x\n"
        "Workflow.__module__ = 'far'; Workflow.__qualname__ = 'Workflow'; module.Workflow = Workflow\n"
        "from covalent.transportable import TransportableObject\n"
        "sys.stdout.buffer.write(TransportableObject(Workflow()).serialize())"
    )
    data = subprocess.run([sys.executable, "-c", write], check=True, capture_output=True).stdout
    far = TransportableObject.from_buffer(data)
    server.assets[far.asset_id] = data
    first = ct.dispatch(ct.lattice(lambda x: x))(1)
    server.manifests[first] = replace(server.manifests[first], workflow=far.asset_id)
    with pytest.raises(ModuleNotFoundError, match="far") as raised:
        ct.redispatch(first)(2)
    assert raised.value.__notes__ == [
        "With other arguments the workflow function runs here; without arguments ct.redispatch opens nothing."
    ]
    assert ct.redispatch(first)() in server.records


# -- the user's own modules


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Writes the module ``redispatched_steps`` anew and gives it, imported."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(text: str, name: str = "redispatched_steps") -> Any:
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    return write


_STEPS = "def load():\n    return 1\n\ndef fit(x):\n    return x\n"


def _with_modules(steps: Any) -> ct.Lattice[...]:
    return ct.lattice(lambda: ct.electron(steps.fit)(ct.electron(steps.load, cache=True)()))


def test_a_repetition_takes_the_modules_as_they_were(server: FakeServer, steps: Callable[[str], Any]) -> None:
    first = ct.dispatch(_with_modules(steps(_STEPS)))()
    steps("")
    manifest = _again(server, first)
    assert manifest.project == server.manifests[first].project
    assert _files(server, manifest) == {"redispatched_steps.py": _STEPS.encode()}


def test_a_new_electron_brings_its_modules_as_they_are_now(server: FakeServer, steps: Callable[..., Any]) -> None:
    first = ct.dispatch(_with_modules(steps(_STEPS)))()
    other = steps("def fit(x):\n    return -x\n", "other_redispatched_steps")
    manifest = _again(server, first, replace_electrons={"fit": other.fit})
    assert _files(server, manifest) == {
        "redispatched_steps.py": _STEPS.encode(),
        "other_redispatched_steps.py": b"def fit(x):\n    return -x\n",
    }
    assert manifest.graph.nodes[0] == server.manifests[first].graph.nodes[0]


def test_a_module_that_was_edited_for_a_new_electron_counts_for_all_and_the_cache_is_left_alone(
    server: FakeServer, steps: Callable[..., Any]
) -> None:
    first = ct.dispatch(_with_modules(steps(_STEPS)))()
    edited = _STEPS.replace("return x", "return -x")
    manifest = _again(server, first, replace_electrons={"fit": steps(edited).fit})
    assert _files(server, manifest) == {"redispatched_steps.py": edited.encode()}
    load, fit = manifest.graph.nodes
    before = server.manifests[first].graph.nodes
    assert load.function_id == before[0].function_id  # so that its result may be taken over from the original
    assert fit.function_id != before[1].function_id
    assert (before[0].metadata.cache, load.metadata.cache) == (True, False)


def test_a_workflow_without_modules_gets_those_of_its_new_electron(
    server: FakeServer, workflow: ct.Lattice[...], steps: Callable[..., Any]
) -> None:
    first = ct.dispatch(workflow)("data")
    assert server.manifests[first].project is None
    new = steps("def fit(data, degree):\n    return 1\n")
    assert list(_files(server, _again(server, first, replace_electrons={"fit": new.fit}))) == ["redispatched_steps.py"]


# -- what is refused at once


def test_what_is_no_redispatch_is_refused_before_anything_is_asked(server: FakeServer) -> None:
    wrong: Any = ct.redispatch
    for given, kind, told in (
        ({"dispatch_id": 3}, TypeError, "a dispatch's id is text"),
        ({"dispatch_id": "it", "replace_electrons": ["fit"]}, TypeError, "replace_electrons is a dict of electrons by"),
        ({"dispatch_id": "it", "replace_electrons": {3: print}}, TypeError, "names electrons by text, .* not by 3"),
        (
            {"dispatch_id": "it", "replace_electrons": {"fit": 3}},
            TypeError,
            r"replace_electrons\['fit'\] is an electron, or a function to make one of, not 3",
        ),
        ({"dispatch_id": "it", "reuse_previous_results": "yes"}, TypeError, "is True or False, not 'yes'"),
    ):
        with pytest.raises(kind, match=told):
            wrong(**given)
    assert server.requests == []


def test_a_dispatch_that_nobody_knows_is_refused(server: FakeServer) -> None:
    with pytest.raises(MissingLatticeRecordError):
        ct.redispatch("nowhere")()
    assert server.asked == ["GET /dispatches/nowhere/manifest"]


def test_a_dispatch_that_needs_a_newer_sdk_is_not_repeated_with_something_missing(
    server: FakeServer, workflow: ct.Lattice[...]
) -> None:
    first = ct.dispatch(workflow)("data")
    server.manifests[first] = replace(server.manifests[first], requires=("telepathy",))
    with pytest.raises(FeatureError, match=f"does not have telepathy, which the dispatch {first} needs; upgrade it"):
        ct.redispatch(first)()
