from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import covalent as ct
from covalent.errors import GraphError
from covalent.hydration import dehydrate
from covalent.lattice import Lattice
from covalent.wire import template
from covalent.wire.codec import dumps, from_json, loads
from covalent.wire.manifest import Manifest
from covalent.wire.places import host_identity
from tests.unit.sdk.evaluation import built


@ct.electron
def first(value: Any) -> Any:
    return value


@ct.electron
def second(value: Any) -> Any:
    return (value,)


@ct.lattice
def workflow(value: Any) -> Any:
    return [first(value), second((value, 1))]


def named_assets(manifest: Manifest) -> set[str]:
    """Every digest that a manifest names."""
    loose = {manifest.inputs, manifest.workflow, manifest.project} - {None}
    found = {str(digest) for digest in loose} | set(template.assets(manifest.graph.graph.output))
    for node in manifest.graph.nodes:
        found |= {node.function, *node.metadata.hooks.call_before, *node.metadata.hooks.call_after}
        found |= {digest for item in (*node.args, *node.kwargs.values()) for digest in template.assets(item)}
    return found


def test_a_package_holds_the_assets_that_its_manifest_names_and_no_others() -> None:
    package = dehydrate(built(workflow, {"a": (1,)}))
    assert set(package.assets) == named_assets(package.manifest)
    assert all(digest == asset.asset_id for digest, asset in package.assets.items())
    assert from_json(Manifest, loads(dumps(package.manifest))) == package.manifest


def test_a_graph_that_was_not_built_is_refused() -> None:
    with pytest.raises(GraphError, match="build_graph"):
        dehydrate(Lattice(lambda: 1))


def test_local_executors_are_resolved_to_this_interpreter_and_host() -> None:
    package = dehydrate(built(workflow, 1))
    data = package.manifest.graph.nodes[0].metadata.executor_data
    assert Path(data["python"]).parent == Path(sys.executable).parent  # links are to stay
    assert Path(data["python"]).samefile(sys.executable)
    assert data["python_version"] == platform.python_version()
    assert data["host"] == host_identity()
    assert package.manifest.client.python == platform.python_version()


def test_a_given_interpreter_is_kept_and_its_version_left_open(tmp_path: Path) -> None:
    executor = ct.executor.LocalExecutor(python="/elsewhere/python", workdir=str(tmp_path))
    lattice = built(ct.lattice(lambda: first(1), executor=executor))
    data = dehydrate(lattice).manifest.graph.nodes[0].metadata.executor_data
    assert (data["python"], data["python_version"], data["workdir"]) == ("/elsewhere/python", None, str(tmp_path))
    assert executor.python == "/elsewhere/python"


def test_other_executors_are_sent_as_they_are() -> None:
    lattice = built(ct.lattice(lambda: first(1), executor="elsewhere"))
    metadata = dehydrate(lattice).manifest.graph.nodes[0].metadata
    assert (metadata.executor, metadata.executor_data) == ("elsewhere", {})


def test_hooks_are_a_feature_that_the_server_must_have() -> None:
    assert dehydrate(built(workflow, 1)).manifest.requires == ()
    hooked = ct.lattice(lambda: first(1), call_before=print)
    assert dehydrate(built(hooked)).manifest.requires == ("call-hooks",)


def test_what_is_never_begun_twice_is_a_feature_that_workers_must_have() -> None:
    once = ct.lattice(lambda: first(1), at_most_once=True)
    assert dehydrate(built(once)).manifest.requires == ("at-most-once",)


def test_function_ids_tell_functions_and_environments_apart() -> None:
    def ids(lattice: Lattice[...]) -> list[str]:
        return [node.function_id for node in dehydrate(lattice).manifest.graph.nodes]

    here = ids(built(workflow, 1))
    assert len(set(here)) == len(here) == 3
    assert all(here)
    assert ids(built(workflow, 2)) == here
    other = ct.lattice(lambda: [first(1), second(2)], executor=ct.executor.LocalExecutor(python="/elsewhere/python"))
    assert set(ids(built(other))).isdisjoint(here)


def test_functions_that_run_again_have_an_id_like_others() -> None:
    def ids(workflow: Any) -> list[str]:
        lattice = built(ct.lattice(workflow, postprocess="replay"))
        return [node.function_id for node in dehydrate(lattice).manifest.graph.nodes]

    one, again, other = ids(lambda: [first(1)]), ids(lambda: [first(1)]), ids(lambda: (first(1),))
    assert one == again
    assert one[0] == other[0]
    assert "" != one[1] != other[1] != ""


def test_function_ids_know_the_files_that_are_brought_even_when_the_function_is_not_told() -> None:
    def identity(name: str, target: str) -> str:
        task = ct.electron(lambda: 1, files=ct.fs.FileTransfer(name, target))
        return dehydrate(built(ct.lattice(lambda: task()))).manifest.graph.nodes[0].function_id  # noqa: PLW0108 - an electron is no workflow function

    assert identity("a", "b") == identity("a", "b") != ""
    assert len({identity("a", "b"), identity("c", "b"), identity("a", "d")}) == 3


def test_function_ids_know_what_is_handed_over_by_a_call_before_and_of_no_other_call() -> None:
    def identity(*calls: Any) -> str:
        same = ct.electron(lambda value, seed=0: (value, seed), call_before=list(calls))
        return dehydrate(built(ct.lattice(lambda: same(1)))).manifest.graph.nodes[0].function_id

    def handed(seed: int) -> ct.DepsCall:
        return ct.DepsCall(abs, [seed], retval_keyword="seed")

    assert identity(handed(7)) == identity(handed(7)) != identity(handed(8))
    assert identity(ct.DepsCall(print, [1])) == identity(ct.DepsCall(print, [2])) == identity()
    stored = [ct.DepsCall.from_dict(handed(seed).to_dict()) for seed in (7, 7, 8)]
    assert identity(stored[0]) == identity(stored[1]) != identity(stored[2])


def test_a_lattice_from_json_brings_its_project_and_everything_else() -> None:
    lattice = built(workflow, 1)
    package = dehydrate(lattice)
    again = dehydrate(Lattice.deserialize_from_json(lattice.serialize_to_json()))
    assert package.manifest.project is not None  # this test's own module
    assert again.manifest.project == package.manifest.project
    assert set(again.assets) == set(package.assets)


@pytest.mark.parametrize("where", ["electron", "lattice", "sublattice"])
def test_a_module_is_sent_that_deps_module_names_and_nothing_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    (tmp_path / "named_and_not_imported.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def sends(place: str) -> Any:
        return ["named_and_not_imported"] if place == where else None

    same = ct.electron(lambda value: value, deps_module=sends("electron"))
    inner = ct.electron(ct.lattice(lambda value: [same(value)], deps_module=sends("sublattice")))
    outer = ct.lattice(lambda: (same(1), inner(1)), deps_module=sends("lattice"))
    package = dehydrate(built(outer))
    assert package.manifest.project is not None
    assert "named_and_not_imported.py" in package.assets[package.manifest.project].object_string


def test_the_constant_that_a_workflow_returns_is_sent() -> None:
    package = dehydrate(built(lambda: (1, 2)))
    digest = package.manifest.graph.graph.output["asset"]
    assert package.assets[digest].get_deserialized() == (1, 2)


def test_dispatching_a_script_needs_no_dependency_but_cloudpickle() -> None:
    program = (
        "import sys, covalent as ct\n"
        "from covalent.hydration import dehydrate\n"
        "lattice = ct.lattice(lambda: ct.electron(lambda x: x)(1) + 1)\n"
        "lattice.build_graph()\n"
        "assert dehydrate(lattice).manifest.project is None\n"
        "print(sorted({'networkx', 'urllib3', 'numpy', 'asyncio'} & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
