"""How dispatches end: failures, cancelling, and that what has ended stays as it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.programs import Project

_FAILURES = """
import time


@ct.electron
def fail():
    raise LookupError("on purpose")


@ct.electron
def slow(seconds):
    time.sleep(seconds)
    return seconds


@ct.electron
def add(a, b):
    return a + b


@ct.electron(executor="no-such-executor")
def elsewhere():
    return 1


@ct.lattice
def failing():
    failed = fail()
    independent = add(slow(0.3), 1)
    add(add(failed, independent), 1)
    return failed


@ct.lattice
def unknown_executor():
    add(elsewhere(), 1)
    return add(1, 1)


dispatched = {"failing": ct.dispatch(failing)(), "unknown executor": ct.dispatch(unknown_executor)()}
for name, dispatch_id in dispatched.items():
    result = ct.get_result(dispatch_id, wait=True)
    facts[name] = {
        "status": result.status,
        "value": result.result,
        "error": result.error,
        "nodes": [
            [node["node_name"], node["status"], node["start_time"] is None, node["end_time"] is None]
            for node in result.get_all_node_results()
        ],
        "raised": raised(result.raise_for_status),
    }
missing = "00000000-0000-0000-0000-000000000000"
facts["missing"] = [raised(ct.get_result, missing), raised(ct.cancel, missing), raised(ct.redispatch(missing))]
facts["no such task"] = raised(ct.cancel, dispatched["failing"], 99)
facts["ended"] = [ct.cancel(dispatched["failing"]), ct.get_result(dispatched["failing"]).status]
"""


@pytest.fixture(scope="module")
def failures(user: Project) -> dict[str, Any]:
    return user.facts(_FAILURES, "failures.py")


def test_a_failed_task_fails_the_dispatch_once_all_that_does_not_need_it_has_ended(failures: dict[str, Any]) -> None:
    failing = failures["failing"]
    assert (failing["status"], failing["value"]) == ("FAILED", None)
    assert "LookupError: on purpose" in failing["error"]
    assert failing["raised"].startswith("DispatchFailedError: ")
    assert failing["nodes"] == [
        ["fail", "FAILED", False, False],
        ["slow", "COMPLETED", False, False],
        ["add", "COMPLETED", False, False],
        ["add", "NEW_OBJECT", True, True],
        ["add", "NEW_OBJECT", True, True],
    ]


def test_an_unknown_executor_fails_its_tasks_alone_naming_it_and_those_that_exist(failures: dict[str, Any]) -> None:
    unknown = failures["unknown executor"]
    assert [node[:2] for node in unknown["nodes"]] == [
        ["elsewhere", "FAILED"],
        ["add", "NEW_OBJECT"],
        ["add", "COMPLETED"],
    ]
    assert "no-such-executor" in unknown["error"]
    assert "local" in unknown["error"]


def test_unknown_dispatches_and_tasks_are_told(failures: dict[str, Any], user: Project) -> None:
    assert [error.partition(":")[0] for error in failures["missing"]] == ["MissingLatticeRecordError"] * 3
    assert "99" in failures["no such task"]
    unknown = "/api/v1/dispatches/00000000-0000-0000-0000-000000000000"
    answers = [user.installation.request("GET", unknown + path).status for path in ("", "/nodes", "/nodes/0", "/graph")]
    assert answers == [404] * 4
    assert user.installation.request("POST", f"{unknown}/cancel", plain={}).status == 404


def test_what_has_ended_is_not_cancelled(failures: dict[str, Any]) -> None:
    answer, status = failures["ended"]
    assert status == "FAILED"
    assert "Nothing is left to cancel" in answer


#: Tasks that start processes of their own and note their ids.
_CANCELLED = """
import os
import subprocess
import sys
import time
from pathlib import Path

CHILD = "import subprocess as s; c = s.Popen(['sleep', '600'], start_new_session=True); print(c.pid, flush=1); c.wait()"


@ct.electron
def endless(directory):
    child = subprocess.Popen([sys.executable, "-c", CHILD], start_new_session=True, stdout=subprocess.PIPE, text=True)
    grandchild = child.stdout.readline()
    group = subprocess.Popen(["sleep", "600"])
    partial = Path(directory, f".{os.getpid()}")
    partial.write_text(f"{os.getpid()} {child.pid} {grandchild} {group.pid}")
    partial.rename(Path(directory, str(os.getpid())))
    time.sleep(600)


@ct.electron
def follows(value):
    return value


@ct.electron
def at_once():
    return "done"


@ct.electron
def until(path):
    while not os.path.exists(path):
        time.sleep(0.01)
    return "reached"


@ct.electron
def fail():
    raise LookupError("on purpose")


@ct.electron
@ct.lattice
def inner(directory):
    return follows(endless(directory))


@ct.electron
@ct.lattice
def middle(directory):
    return inner(directory), at_once()


@ct.lattice
def whole(directory):
    endless(directory)
    middle(directory)
    return at_once()


@ct.lattice
def single(directory, path):
    a, b = endless(directory), until(path)
    follows(a)
    return follows(b)


@ct.lattice
def of_both(directory):
    return fail(), endless(directory)


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def processes(directory, tasks):
    "All that the tasks have started, once they have."
    while len(noted := [path for path in Path(directory).iterdir() if path.name.isdecimal()]) < tasks:
        time.sleep(0.01)
    return {int(pid) for path in noted for pid in path.read_text().split()}


def gone(pids, within=2.0):
    "The processes that are still there after a time; empty as soon as all are gone."
    deadline = time.monotonic() + within
    while (left := [pid for pid in pids if lives(pid)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def nodes(result):
    return [[node["node_name"], node["status"]] for node in result.get_all_node_results()]


def below(result):
    for node in result.get_all_node_results():
        if node["sublattice_result"] is not None:
            yield node["sublattice_result"]
            yield from below(node["sublattice_result"])


directories = {name: Path(name).absolute() for name in ("whole", "single", "both", "sublattice")}
for directory in directories.values():
    directory.mkdir()

whole_id = ct.dispatch(whole)(str(directories["whole"]))
pids = processes(directories["whole"], 2)
while (running := ct.get_result(whole_id)).get_node_result(0)["status"] != "RUNNING":
    time.sleep(0.01)
facts["running"] = [running.status, nodes(running)]
answer = ct.cancel(whole_id)
facts["whole"] = {"left": gone(pids), "started": len(pids), "answer": answer, "id": whole_id}
result = ct.get_result(whole_id, wait=True)
facts["whole"] |= {"status": result.status, "value": result.result, "nodes": nodes(result), "error": result.error}
facts["below"] = [[each.status, nodes(each), each.root_dispatch_id == whole_id] for each in below(result)]
facts["again"] = [ct.cancel(whole_id), ct.get_result(whole_id).status]

path = os.path.abspath("reached")
single_id = ct.dispatch(single)(str(directories["single"]), path)
pids = processes(directories["single"], 1)
answer = ct.cancel(single_id, 0)
facts["single"] = {"left": gone(pids), "answer": answer, "meanwhile": ct.get_result(single_id).status}
open(path, "x").close()
result = ct.get_result(single_id, wait=True)
facts["single"] |= {"status": result.status, "nodes": nodes(result)}

both_id = ct.dispatch(of_both)(str(directories["both"]))
pids = processes(directories["both"], 1)
while ct.get_result(both_id).get_node_result(0)["status"] != "FAILED":
    time.sleep(0.01)
ct.cancel(both_id)
result = ct.get_result(both_id, wait=True)
facts["both"] = {"left": gone(pids), "status": result.status, "nodes": nodes(result)}

other = ct.lattice(lambda directory: [middle(directory), at_once()])
sublattice_id = ct.dispatch(other)(str(directories["sublattice"]))
pids = processes(directories["sublattice"], 1)
ct.cancel(sublattice_id, [0])
result = ct.get_result(sublattice_id, wait=True)
facts["sublattice"] = {"left": gone(pids), "status": result.status, "nodes": nodes(result)}
facts["sublattice"]["below"] = [each.status for each in below(result)]
"""


@pytest.fixture(scope="module")
def cancelled(user: Project) -> dict[str, Any]:
    return user.facts(_CANCELLED, "cancelled.py")


def test_cancelling_ends_all_processes_within_two_seconds_those_in_sessions_of_their_own_too(
    cancelled: dict[str, Any],
) -> None:
    assert cancelled["whole"]["started"] == 8
    assert {name: cancelled[name]["left"] for name in ("whole", "single", "both", "sublattice")} == {
        "whole": [],
        "single": [],
        "both": [],
        "sublattice": [],
    }


def test_cancelling_a_dispatch_stops_what_runs_and_what_waits_and_changes_nothing_that_has_ended(
    cancelled: dict[str, Any],
) -> None:
    whole = cancelled["whole"]
    assert cancelled["running"][0] == "RUNNING"
    assert ["middle", "DISPATCHING"] in cancelled["running"][1]
    assert whole["id"] in whole["answer"]
    assert (whole["status"], whole["value"]) == ("CANCELLED", None)
    assert [whole["nodes"][0], whole["nodes"][1]] == [["endless", "CANCELLED"], ["middle", "CANCELLED"]]
    assert whole["nodes"][2][1] in {"COMPLETED", "CANCELLED"}
    assert cancelled["again"][1] == "CANCELLED"


def test_cancelling_reaches_into_sublattices_to_any_depth(cancelled: dict[str, Any]) -> None:
    assert [(status, rooted) for status, _, rooted in cancelled["below"]] == [("CANCELLED", True)] * 2
    middle, inner = (nodes for _, nodes, _ in cancelled["below"])
    assert ["inner", "CANCELLED"] in middle
    assert inner == [["endless", "CANCELLED"], ["follows", "CANCELLED"]]


def test_a_single_task_is_cancelled_and_what_does_not_need_it_goes_on(cancelled: dict[str, Any]) -> None:
    single = cancelled["single"]
    assert "the task 0" in single["answer"]
    assert (single["meanwhile"], single["status"]) == ("RUNNING", "CANCELLED")
    assert single["nodes"] == [
        ["endless", "CANCELLED"],
        ["until", "COMPLETED"],
        ["follows", "NEW_OBJECT"],
        ["follows", "COMPLETED"],
    ]


def test_a_cancelled_sublattice_takes_its_dispatches_along(cancelled: dict[str, Any]) -> None:
    sublattice = cancelled["sublattice"]
    assert sublattice["status"] == "CANCELLED"
    assert sublattice["nodes"][:2] == [["middle", "CANCELLED"], ["at_once", "COMPLETED"]]
    assert sublattice["below"] == ["CANCELLED", "CANCELLED"]


def test_failed_beats_cancelled(cancelled: dict[str, Any]) -> None:
    assert cancelled["both"]["status"] == "FAILED"
    assert cancelled["both"]["nodes"][:2] == [["fail", "FAILED"], ["endless", "CANCELLED"]]
