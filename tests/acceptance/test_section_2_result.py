"""Results: what is known of a dispatch, also while it runs, and where the workflow's packages are missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.programs import Project
from tests.installation import Installation

_SCRIPT = """
import datetime

import crystals


@ct.electron
def grow(size):
    print("growing", size)
    print("too warm", file=sys.stderr)
    return crystals.Crystal(size)


@ct.electron
def weigh(crystal, density):
    return crystal.size**3 * density


@ct.electron
def fail(crystal):
    raise ValueError(f"{crystal} is broken")


@ct.electron
@ct.lattice
def polish(crystal):
    return weigh(crystal, 1)


@ct.lattice
def workflow(size, *, density=2):
    crystal = grow(size)
    return {"crystal": crystal, "weight": weigh(crystal, density), "polished": polish(crystal)}


@ct.lattice
def failing(size):
    return fail(grow(size))


@ct.lattice
def plain():
    return weigh(grow(2), 1)


began = datetime.datetime.now(datetime.UTC)
result = ct.dispatch_sync(workflow, tags=["crystals"])(3, density=10)
facts["id"] = result.dispatch_id
facts["root"] = result.root_dispatch_id
facts["status"] = [result.status, result.status == "COMPLETED", result.status == ct.status.COMPLETED]
facts["value"] = [result.result["crystal"].size, result.result["weight"], result.result["polished"]]
facts["encoded"] = [type(result.encoded_result).__name__, result.encoded_result.get_deserialized()["weight"]]
facts["text"] = [result.object_string, result.json]
facts["inputs"] = [isinstance(result.inputs, ct.TransportableObject), repr(result.inputs.get_deserialized())]
facts["times"] = began <= result.start_time <= result.end_time <= datetime.datetime.now(datetime.UTC)
facts["lattice"] = [result.lattice.__name__, result.lattice(1, density=1)["weight"]]
facts["error"] = result.error
node = result.get_node_result(0)
facts["node"] = {key: str(node[key]) for key in node}
facts["node times"] = node["start_time"] <= node["end_time"]
facts["nodes"] = [node["node_name"] for node in result.get_all_node_results()]
facts["outputs"] = {
    name: [isinstance(output, ct.TransportableObject), output.object_string]
    for name, output in result.get_all_node_outputs().items()
}
inner = result.get_node_result(2)["sublattice_result"]
facts["sublattice"] = [inner.result, inner.root_dispatch_id == result.dispatch_id]
facts["shown"] = [str(result), result._repr_html_(), repr(result)]
facts["raised"] = raised(result.raise_for_status)
facts["saved"] = str(result.save("whole.zip").absolute())

failed = ct.dispatch_sync(failing)(5)
facts["failed"] = [failed.status, failed.result, failed.error, raised(failed.raise_for_status)]
facts["failed id"] = failed.dispatch_id
simple = ct.dispatch_sync(plain)()
facts["simple"] = [simple.json, simple.object_string, simple.encoded_result.get_deserialized()]
facts["wrong"] = [raised(result.get_node_result, 17), raised(result.get_node_result, "grow")]
"""


@pytest.fixture(scope="module")
def told(laboratory: Project) -> dict[str, Any]:
    return laboratory.facts(_SCRIPT)


def test_a_result_knows_its_dispatch_its_value_and_its_inputs(told: dict[str, Any]) -> None:
    assert told["root"] == told["id"]
    assert told["status"] == ["COMPLETED", True, True]
    assert told["value"] == [3, 270, 27]
    assert told["encoded"][1] == 270
    assert told["inputs"] == [True, repr({"args": (3,), "kwargs": {"density": 10}})]
    assert told["times"] is True
    assert told["lattice"] == ["workflow", 1]
    assert (told["error"], told["raised"]) == (None, None)
    assert told["simple"] == ["8", "8", 8]


def test_a_value_that_json_cannot_say_has_a_text(told: dict[str, Any]) -> None:
    text, json = told["text"]
    assert "weight" in text
    assert json is None


def test_a_node_tells_all_that_became_of_it(told: dict[str, Any]) -> None:
    node = told["node"]
    assert list(node) == [
        *("node_id", "node_name", "start_time", "end_time", "status", "output", "error", "environment"),
        *("workdir", "sublattice_result", "stdout", "stderr"),
    ]
    assert [node[key] for key in ("node_id", "node_name", "status", "error")] == ["0", "grow", "COMPLETED", "None"]
    assert [node[key] for key in ("stdout", "stderr", "sublattice_result")] == ["growing 3\n", "too warm\n", "None"]
    assert told["node times"] is True
    assert told["nodes"] == ["grow", "weigh", "polish", "collect"]
    assert told["outputs"]["grow(0)"] == [True, "a crystal of 3 mm"]
    assert told["sublattice"] == [27, True]
    assert "has no node 17; its nodes are numbered 0 to 3" in told["wrong"][0]
    assert told["wrong"][1].startswith("TypeError: ")


def test_a_failed_result_names_the_failed_tasks_with_their_tracebacks(told: dict[str, Any]) -> None:
    status, value, error, raised = told["failed"]
    assert (status, value) == ("FAILED", None)
    for text in (error, raised):
        assert "fail(1)" in text
        assert "ValueError: a crystal of 5 mm is broken" in text


def test_a_result_shows_itself_as_text_and_in_notebooks(told: dict[str, Any]) -> None:
    for shown in told["shown"]:
        assert told["id"] in shown
        assert "workflow" in shown
        assert "COMPLETED" in shown


#: All that can be done with a result where its packages are missing.
_ELSEWHERE = """
def looked_at(result):
    nodes = result.get_all_node_results()
    return {
        "id": result.dispatch_id,
        "status": result.status,
        "text": result.object_string,
        "json": result.json,
        "error": result.error,
        "size": result.encoded_result and len(result.encoded_result.serialize()) == result.encoded_result.size,
        "type": result.encoded_result and result.encoded_result.header["type_name"],
        "nodes": [[node["node_name"], node["status"], node["stdout"]] for node in nodes],
        "outputs": {name: output.object_string for name, output in result.get_all_node_outputs().items()},
        "weight": result.get_node_result(1)["output"] and result.get_node_result(1)["output"].get_deserialized(),
        "inputs": repr(result.inputs.get_deserialized()),
        "graph": [node["name"] for node in json.loads(result.lattice.transport_graph.serialize_to_json())["nodes"]],
        "sublattices": [node["sublattice_result"].result for node in nodes if node["sublattice_result"] is not None],
        "shown": result.dispatch_id in str(result) and result.dispatch_id in result._repr_html_(),
        "opened": raised(lambda: result.result),
    }


"""


@pytest.fixture(scope="module")
def elsewhere(told: dict[str, Any], user: Project) -> dict[str, Any]:
    script = f"""
facts["whole"] = looked_at(ct.get_result({told["id"]!r}))
facts["failed"] = looked_at(ct.get_result({told["failed id"]!r}))
facts["listed"] = [found.dispatch_id for found in ct.dispatches(tag="crystals")]
"""
    return user.facts(_ELSEWHERE + script)


def test_everything_but_the_value_works_where_the_workflows_packages_are_missing(
    told: dict[str, Any], elsewhere: dict[str, Any]
) -> None:
    whole = elsewhere["whole"]
    assert (whole["status"], whole["text"]) == ("COMPLETED", told["text"][0])
    assert (whole["size"], whole["type"]) == (True, "dict")
    assert whole["nodes"][0] == ["grow", "COMPLETED", "growing 3\n"]
    assert whole["outputs"]["grow(0)"] == "a crystal of 3 mm"
    assert (whole["weight"], whole["sublattices"]) == (270, [27])
    assert whole["graph"] == ["grow", "weigh", "polish", "collect"]
    assert whole["shown"] is True
    assert whole["opened"].startswith("ModuleNotFoundError: No module named 'crystals'")
    assert "ValueError: a crystal of 5 mm is broken" in elsewhere["failed"]["error"]
    assert elsewhere["failed"]["opened"] is None
    assert elsewhere["listed"] == [told["id"]]


def test_a_saved_result_tells_the_same_without_a_server_in_another_account(
    told: dict[str, Any], elsewhere: dict[str, Any], tmp_path: Path, client_python: str, laboratory_python: str
) -> None:
    nobody = Installation(tmp_path / "another-home")  # never started
    nobody.environ["COVALENT_SERVER_URL"] = "http://127.0.0.1:1"
    without = Project(tmp_path / "without", nobody, client_python)
    loaded = without.facts(f"{_ELSEWHERE}\nfacts['whole'] = looked_at(ct.Result.load({told['saved']!r}))\n")
    assert loaded["whole"] == elsewhere["whole"]
    with_them = Project(tmp_path / "with", nobody, laboratory_python)
    opened = with_them.facts(f"facts['size'] = ct.Result.load({told['saved']!r}).result['crystal'].size")
    assert opened == {"size": 3}


_RUNNING = """
import os
import time


@ct.electron
def quick():
    return "quick"


@ct.electron
def talks(path):
    print("one", flush=True)
    while not os.path.exists(path):
        time.sleep(0.01)
    print("two")
    return "talked"


@ct.lattice
def workflow(path):
    return [quick(), talks(path)]


path = os.path.abspath("go on")
dispatch_id = ct.dispatch(workflow)(path)
while (result := ct.get_result(dispatch_id)).get_node_result(0)["output"] is None:
    time.sleep(0.01)
facts["status"] = ct.get_result(dispatch_id, status_only=True)
facts["running"] = [
    result.status, result.result, result.encoded_result, result.error, list(result.get_all_node_outputs()),
    result.get_node_result(0)["output"].get_deserialized(), result.get_node_result(1)["output"], result.end_time,
]
heard = []
for text in result.follow(1):
    if not heard:
        open(path, "x").close()
    heard.append(text)
facts["heard"] = "".join(heard)
facts["pieces"] = len(heard)
facts["ended"] = ct.get_result(dispatch_id, wait=True).result
facts["the picture stays"] = [result.status, result.result]
"""


def test_a_running_dispatch_shows_what_there_is_and_its_tasks_can_be_followed(user: Project) -> None:
    found = user.facts(_RUNNING, "running.py")
    assert found["status"]["status"] == "RUNNING"
    assert found["running"] == ["RUNNING", None, None, None, ["quick(0)"], "quick", None, None]
    assert found["heard"] == "one\ntwo\n"
    assert found["pieces"] >= 2
    assert found["ended"] == ["quick", "talked"]
    assert found["the picture stays"] == ["RUNNING", None]
