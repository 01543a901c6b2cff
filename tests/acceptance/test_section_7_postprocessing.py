"""Post-processing: how the return value is put together, by whom, and what is done when that goes wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.programs import Project
from tests.installation import Installation

#: What every script of this module has.
_WORKFLOWS = """
import os
import time

import crystals

ELSEWHERE = ct.executor.LocalExecutor(python=os.environ["ELSEWHERE"])


class Report:
    def __init__(self, title, crystal):
        self.title, self.crystal = title, crystal


@ct.electron
def grow(size):
    return crystals.Crystal(size)


@ct.electron
def weigh(crystal):
    return crystal.size**3


@ct.lattice
def bare(size):
    return grow(size)


@ct.lattice
def reconstructed(size):
    a, b = grow(size), grow(size + 1)
    return {"crystals": (a, b), "weights": [weigh(a), weigh(b)]}


@ct.lattice(postprocess="replay")
def replayed(size):
    crystal = grow(size)
    weight = weigh(crystal)
    print("this is printed where the workflow function runs")
    return Report("one crystal", crystal), weight + 1


@ct.lattice(workflow_executor="client")
def left_to_the_client(size):
    a, b = grow(size), grow(size + 1)
    return {"crystals": (a, b), "sum": weigh(a) + weigh(b)}


@ct.lattice(workflow_executor="client", postprocess="replay")
def replayed_by_the_client(size):
    return Report("a crystal", grow(size))


@ct.lattice(workflow_executor=ELSEWHERE)
def cannot_be_done(size):
    return [grow(size), weigh(grow(size + 1))]


HASTY = ct.executor.LocalExecutor(time_limit=0.5)


@ct.lattice(workflow_executor=HASTY, postprocess="replay")
def takes_too_long(size):
    if "SLOW" in os.environ:
        time.sleep(600)
    return Report("late", grow(size))


def seen(dispatch_id):
    result = ct.get_result(dispatch_id, wait=True)
    nodes = result.get_all_node_results()
    return result, {
        "id": dispatch_id,
        "status": result.status,
        "value": plain(result.result),
        "error": result.error,
        "nodes": [[node["node_name"], node["status"]] for node in nodes],
        "same": result.encoded_result is not None and result.encoded_result.asset_id == nodes[0]["output"].asset_id,
    }


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if type(value).__name__ == "Report":  # of this script, or of the one that dispatched
        return [value.title, plain(value.crystal)]
    return value.size if isinstance(value, crystals.Crystal) else value


"""

_SCRIPT = f"""{_WORKFLOWS}
lattices = bare, reconstructed, replayed, left_to_the_client, replayed_by_the_client, cannot_be_done
dispatched = {{lattice.__name__: ct.dispatch(lattice)(3) for lattice in lattices}}
dispatched["takes_too_long"] = ct.dispatch(takes_too_long, env={{"SLOW": "yes"}})(3)
for name, dispatch_id in dispatched.items():
    result, facts[name] = seen(dispatch_id)
    if name in ("left_to_the_client", "replayed_by_the_client", "cannot_be_done", "takes_too_long"):
        if name == "cannot_be_done":
            facts["outputs"] = sorted(result.get_all_node_outputs())
        facts[name]["post-processed"] = plain(result.post_process())
        facts[name]["held"] = plain(result.result)
        facts[name]["afterwards"] = seen(dispatch_id)[1]
facts["plain"] = plain(reconstructed(3))
facts["repeated"] = plain(ct.get_result(dispatched["bare"]).post_process())
facts["too early"] = raised(ct.get_result(ct.dispatch(left_to_the_client, disable_run=True)(3)).post_process)
"""


@pytest.fixture(scope="module")
def told(laboratory: Project, client_python: str) -> dict[str, Any]:
    return laboratory.facts(_SCRIPT, ELSEWHERE=client_python)


def test_the_output_of_a_bare_electron_is_the_result_and_needs_no_task(told: dict[str, Any]) -> None:
    bare = told["bare"]
    assert (bare["status"], bare["value"], bare["same"]) == ("COMPLETED", 3, True)
    assert bare["nodes"] == [["grow", "COMPLETED"]]
    assert told["repeated"] == 3


def test_a_container_is_put_together_by_a_small_task(told: dict[str, Any]) -> None:
    reconstructed = told["reconstructed"]
    assert reconstructed["value"] == told["plain"] == {"crystals": [3, 4], "weights": [27, 64]}
    assert [name for name, _ in reconstructed["nodes"]] == ["grow", "grow", "weigh", "weigh", "collect"]


def test_replay_runs_the_workflow_function_again_on_real_values(told: dict[str, Any]) -> None:
    replayed = told["replayed"]
    assert (replayed["status"], replayed["value"]) == ("COMPLETED", [["one crystal", 3], 28])
    assert replayed["nodes"][-1] == ["replay", "COMPLETED"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("left_to_the_client", {"crystals": [3, 4], "sum": 91}), ("replayed_by_the_client", ["a crystal", 3])],
)
def test_what_is_left_to_the_client_waits_for_it_and_is_completed_by_it(
    told: dict[str, Any], name: str, value: Any
) -> None:
    left = told[name]
    assert (left["status"], left["value"], left["error"]) == ("PENDING_POSTPROCESSING", None, None)
    assert left["post-processed"] == left["held"] == value
    assert (left["afterwards"]["status"], left["afterwards"]["value"]) == ("COMPLETED", value)


def test_an_executor_that_cannot_do_it_fails_the_post_processing_alone_and_the_client_still_can(
    told: dict[str, Any],
) -> None:
    failed = told["cannot_be_done"]
    assert (failed["status"], failed["value"]) == ("FAILED_POSTPROCESSING", None)
    assert "No module named 'crystals'" in failed["error"]
    assert [status for _, status in failed["nodes"]] == ["COMPLETED"] * 3 + ["FAILED"]
    assert told["outputs"] == ["grow(0)", "grow(1)", "weigh(2)"]
    assert failed["post-processed"] == failed["held"] == [3, 64]
    assert failed["afterwards"]["status"] == "FAILED_POSTPROCESSING"


def test_post_processing_that_takes_too_long_can_be_done_by_the_client_too(told: dict[str, Any]) -> None:
    late = told["takes_too_long"]
    assert (late["status"], late["nodes"]) == (
        "FAILED_POSTPROCESSING",
        [["grow", "COMPLETED"], ["replay", "FAILED"]],
    )
    assert "0.5 seconds" in late["error"]
    assert late["post-processed"] == ["late", 3]


def test_what_has_not_ended_cannot_be_put_together_and_says_so(told: dict[str, Any]) -> None:
    assert told["too early"].startswith("PostProcessingError: ")
    assert "ct.get_result(" in told["too early"]


_SERVER_STOPPED = f"""{_WORKFLOWS}
import subprocess


def server(word):
    command = [os.environ["SERVER_PYTHON"], "-m", "covalent_server", word]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


result, facts["pending"] = seen(ct.dispatch(left_to_the_client)(3))
saved = ct.get_result(ct.dispatch(replayed_by_the_client)(5), wait=True)
facts["saved"] = str(saved.save("saved.zip").absolute())
server("stop")
facts["without"] = plain(result.post_process())
facts["status"] = result.status
server("start")
facts["with"] = plain(result.post_process())
facts["afterwards"] = seen(result.dispatch_id)[1]
facts["id"] = saved.dispatch_id
"""

_LOADED = f"""{_WORKFLOWS}
result = ct.Result.load(os.environ["SAVED"])
facts["before"] = [result.status, result.result]
facts["post-processed"] = plain(result.post_process())
facts["held"] = plain(result.result)
result.save("again.zip")
facts["again"] = plain(ct.Result.load("again.zip").post_process())
"""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, laboratory_python: str, client_python: str) -> dict[str, Any]:
    """Of a server of its own, which the script stops and starts."""
    root = tmp_path_factory.mktemp("stopped")
    with Installation(root / "installation") as installation:
        project = Project(root / "project", installation, laboratory_python)
        return project.facts(_SERVER_STOPPED, ELSEWHERE=client_python, SERVER_PYTHON=sys.executable)


def test_with_the_server_stopped_the_client_puts_the_value_together_and_tells_it_later(stopped: dict[str, Any]) -> None:
    assert stopped["pending"]["status"] == "PENDING_POSTPROCESSING"
    assert (stopped["without"], stopped["status"]) == ({"crystals": [3, 4], "sum": 91}, "PENDING_POSTPROCESSING")
    assert stopped["with"] == stopped["afterwards"]["value"] == stopped["without"]
    assert stopped["afterwards"]["status"] == "COMPLETED"


def test_a_saved_result_is_post_processed_in_another_account_without_any_server(
    stopped: dict[str, Any], tmp_path: Path, laboratory_python: str, client_python: str
) -> None:
    nobody = Installation(tmp_path / "another-home")  # never started
    nobody.environ["COVALENT_SERVER_URL"] = "http://127.0.0.1:1"
    project = Project(tmp_path / "project", nobody, laboratory_python)
    found = project.facts(_LOADED, SAVED=stopped["saved"], ELSEWHERE=client_python)
    assert found["before"] == ["PENDING_POSTPROCESSING", None]
    assert found["post-processed"] == found["held"] == found["again"] == ["a crystal", 5]
