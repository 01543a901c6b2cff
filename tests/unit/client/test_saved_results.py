"""Results in files: everything but opening the value works without a server and without the workflow's packages."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import covalent as ct
from covalent.errors import ArchiveError, ServerError
from covalent.result import Result
from covalent.status import Status
from tests.unit.client.fake_server import FakeServer, a_record


@pytest.fixture
def dispatch_id(server: FakeServer) -> str:
    """A dispatch of three nodes: one with an output, one that failed, and one whose sublattice has completed."""
    step = ct.electron(lambda x, y=None: (x, y))
    inner = ct.electron(ct.lattice(lambda x: [step(x)]))

    @ct.lattice
    def workflow(x: Any) -> Any:
        """What it is for."""
        return [step(x, b"a constant that is an asset"), step(x), inner(x)]

    child = ct.dispatch(ct.lattice(lambda x: [step(x)]))(5)
    server.run(child, Status.COMPLETED, {0: "inside", 1: ["inside"]})
    server.prints(child, 0, b"deep\n")
    dispatch_id = ct.dispatch(workflow, tags=["kept"])({"the": "inputs"})
    server.run(dispatch_id, Status.FAILED, {0: "zero", 2: ["inside"]}, error="step(1): ValueError", tags=("kept",))
    first, second, third, collect = server.nodes[dispatch_id]
    failed = replace(second, status=Status.FAILED, error="ValueError: no", attempt=2, started_at=1.0, ended_at=2.0)
    server.nodes[dispatch_id] = [first, failed, replace(third, child=child), collect]
    server.prints(dispatch_id, 0, "grüße\n".encode())
    server.prints(dispatch_id, 1, b"trouble\n", "stderr")
    inputs = server.manifests[dispatch_id].inputs
    server.records[dispatch_id] = replace(server.records[dispatch_id], inputs=inputs, node_counts={"FAILED": 4})
    return dispatch_id


@pytest.fixture
def saved(server: FakeServer, dispatch_id: str, tmp_path: Path) -> Result:
    """The result after the server has gone."""
    path = ct.get_result(dispatch_id).save(tmp_path / "result.zip")
    server.stop()
    return Result.load(path)


def test_all_that_was_known_is_there_without_a_server(server: FakeServer, dispatch_id: str, tmp_path: Path) -> None:
    result = ct.get_result(dispatch_id)
    shown = str(result), [str(node) for node in result.get_all_node_results()]
    path = result.save(tmp_path / "result.zip")
    server.stop()
    loaded = Result.load(path)
    assert (str(loaded), [str(node) for node in loaded.get_all_node_results()]) == shown
    assert (loaded.dispatch_id, loaded.status, loaded.error) == (dispatch_id, "FAILED", "step(1): ValueError")
    assert "tags: kept" in str(loaded)
    outputs = loaded.get_all_node_outputs()
    assert {name: output.get_deserialized() for name, output in outputs.items()} == {
        "<lambda>(0)": "zero",
        "<lambda>(2)": ["inside"],
    }
    assert loaded.inputs is not None
    assert loaded.inputs.get_deserialized() == {"args": ({"the": "inputs"},), "kwargs": {}}


def test_nodes_are_there_with_what_they_printed(saved: Result) -> None:
    zero, one = saved.get_node_result(0), saved.get_node_result(1)
    assert (zero["stdout"], zero["stderr"], one["stderr"]) == ("grüße\n", "", "trouble\n")
    assert (one["status"], one["error"], one["output"]) == ("FAILED", "ValueError: no", None)
    assert repr(zero["output"]).endswith(f"in {saved._source.place[3:]}>")
    with pytest.raises(ServerError, match="has no node 7; its nodes are numbered 0 to 3"):
        saved.get_node_result(7)


def test_sublattices_are_there_with_everything_of_theirs(saved: Result) -> None:
    inner = saved.get_node_result(2)["sublattice_result"]
    assert (inner.status, inner.get_node_result(0)["stdout"]) == ("COMPLETED", "deep\n")
    assert inner.get_all_node_outputs()["<lambda>(0)"].get_deserialized() == "inside"
    assert inner.get_node_result(0)["sublattice_result"] is None


def test_the_workflow_is_there_and_can_be_built_and_stored_again(saved: Result) -> None:
    lattice = saved.lattice
    assert (lattice.__name__, lattice.__doc__) == ("workflow", "What it is for.")
    assert [node.name for node in lattice.transport_graph.nodes][-1] == "collect"
    assert ct.Lattice.deserialize_from_json(lattice.serialize_to_json()).transport_graph == lattice.transport_graph
    lattice.build_graph(7)
    assert lattice.transport_graph.nodes[1].args == ({"value": 7},)


def test_following_a_saved_result_gives_what_there_is_and_ends(saved: Result) -> None:
    assert list(saved.follow(0)) == ["grüße\n"]
    assert list(saved.follow()) == ["<lambda>(0): grüße\n"]
    assert list(saved.follow(stream="stderr")) == ["<lambda>(1): trouble\n"]


def test_a_saved_result_does_not_know_why_and_says_who_does(saved: Result) -> None:
    with pytest.raises(ArchiveError, match=r"ask: ct\.get_result\(.*\)\.why\(\)"):
        saved.why()


def test_a_running_dispatch_is_saved_as_it_stands(server: FakeServer, dispatch_id: str, tmp_path: Path) -> None:
    server.run(dispatch_id, Status.RUNNING, {0: "zero"})
    server.nodes[dispatch_id][1] = replace(server.nodes[dispatch_id][1], status=Status.RUNNING, attempt=1)
    server.prints(dispatch_id, 1, b"so far")
    loaded = Result.load(ct.get_result(dispatch_id).save(tmp_path / "result.zip"))
    server.stop()
    assert loaded.status == "RUNNING"
    assert list(loaded.follow(1)) == ["so far"]
    assert list(loaded.follow()) == ["<lambda>(0): grüße\n", "<lambda>(1): so far\n"]
    assert list(loaded.get_all_node_outputs()) == ["<lambda>(0)"]


def test_a_saved_result_can_be_saved_again(saved: Result, tmp_path: Path) -> None:
    again = Result.load(saved.save(tmp_path / "copy.zip"))
    assert str(again) == str(saved)
    assert again.get_node_result(2)["sublattice_result"].get_node_result(0)["stdout"] == "deep\n"


def test_in_a_directory_the_file_is_called_by_the_dispatch(
    server: FakeServer, dispatch_id: str, tmp_path: Path
) -> None:
    assert ct.get_result(dispatch_id).save(str(tmp_path)) == tmp_path / f"{dispatch_id}.zip"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [f"{dispatch_id}.zip"]
    assert server.records


def test_an_asset_stands_in_the_file_once(server: FakeServer, dispatch_id: str, tmp_path: Path) -> None:
    path = ct.get_result(dispatch_id).save(tmp_path / "result.zip")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert len(names) == len(set(names))
        assert json.loads(archive.read("result.json"))["format"] == 1
    assert len([name for name in names if name.startswith("assets/")]) == len(server.assets)


def test_what_was_left_out_says_so_when_it_is_asked_for(server: FakeServer, dispatch_id: str, tmp_path: Path) -> None:
    server.finish(dispatch_id, ct.TransportableObject("the value").serialize())
    lean = ct.get_result(dispatch_id, workflow_output=False, intermediate_outputs=False, sublattice_results=False)
    assert lean.result == "the value"
    loaded = Result.load(lean.save(tmp_path / "lean.zip"))
    server.stop()
    assert (loaded.status, loaded.object_string) == ("COMPLETED", "claimed")
    output = loaded.get_all_node_outputs()["<lambda>(0)"]
    assert output.object_string == "zero"
    with pytest.raises(ArchiveError, match=r"are not in .*lean\.zip: they were left out when the result was saved"):
        output.get_deserialized()
    with pytest.raises(ArchiveError, match="left out"):
        loaded.result  # noqa: B018
    with pytest.raises(ArchiveError, match="the dispatch dispatch-0 of a sublattice is not in"):
        loaded.get_node_result(2)["sublattice_result"]
    assert Result.load(loaded.save(tmp_path / "leaner.zip")).status == "COMPLETED"


def test_it_is_loaded_where_the_workflows_packages_are_missing(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "far_away.py").write_text("class Thing:\n    def __str__(self):\n        return 'a thing'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import far_away  # type: ignore[import-not-found]

    dispatch_id = ct.dispatch(ct.lattice(ct.electron(far_away.Thing)))()
    value = ct.TransportableObject(far_away.Thing())
    server.run(dispatch_id, Status.COMPLETED, {0: far_away.Thing()}, result=server.store(far_away.Thing()))
    assert value.object_string == "a thing"
    path = ct.get_result(dispatch_id).save(tmp_path / "result.zip")
    server.stop()
    script = (
        "import sys, covalent as ct\n"
        "result = ct.Result.load(sys.argv[1])\n"
        "print(result.object_string, result.get_all_node_outputs()['Thing(0)'].object_string, result.lattice)\n"
        "try:\n    result.result\nexcept ModuleNotFoundError as error:\n    print(error.name)\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", script, str(path)], capture_output=True, text=True, check=True, cwd="/"
    )
    assert run.stdout.splitlines() == ["a thing a thing <Lattice Thing>", "far_away"]


# -- files that are none


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("notes")
    told = r"notes\.txt holds no saved result \(File is not a zip file\); Result\.load takes a file that result\.save"
    with pytest.raises(ArchiveError, match=told):
        Result.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other", b"")
    with pytest.raises(ArchiveError, match="holds no saved result"):
        Result.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("result.json", b"[]")
    with pytest.raises(ArchiveError, match="holds no saved result"):
        Result.load(path)
    with pytest.raises(FileNotFoundError):
        Result.load(tmp_path / "nowhere.zip")


def test_a_file_of_a_newer_version_asks_for_it(tmp_path: Path) -> None:
    path = tmp_path / "newer.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("result.json", json.dumps({"format": 99}))
    with pytest.raises(ArchiveError, match="was saved by a newer covalent-sdk; upgrade"):
        Result.load(path)


def test_damage_is_noticed(saved: Result, tmp_path: Path) -> None:
    digest = saved.get_all_node_outputs()["<lambda>(0)"].asset_id
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(tmp_path / "result.zip") as whole, zipfile.ZipFile(path, "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, b"other" if name.endswith(digest) else whole.read(name))
    with pytest.raises(ArchiveError, match=r"damaged\.zip is damaged .*; save the result again"):
        Result.load(path).get_all_node_outputs()["<lambda>(0)"].get_deserialized()


def test_a_file_that_cannot_be_finished_is_not_there(server: FakeServer, dispatch_id: str, tmp_path: Path) -> None:
    result = ct.get_result(dispatch_id)
    del server.assets[str(server.manifests[dispatch_id].inputs)]
    place = tmp_path / "place"
    place.mkdir()
    with pytest.raises(ServerError):
        result.save(place)
    assert list(place.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        result.save(tmp_path / "nowhere" / "result.zip")


def test_a_dispatch_of_which_nothing_has_begun_can_be_saved(server: FakeServer, tmp_path: Path) -> None:
    dispatch_id = ct.dispatch(ct.lattice(lambda: 1), disable_run=True)()
    server.records[dispatch_id] = a_record(dispatch_id, Status.NEW_OBJECT)
    server.nodes[dispatch_id] = []
    loaded = Result.load(ct.get_result(dispatch_id).save(tmp_path / "result.zip"))
    assert (loaded.status, loaded.get_all_node_results(), loaded.result) == ("NEW_OBJECT", [], None)
