"""Results of dispatches that still run, and those that were saved meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.programs import Project
from tests.installation import wait_until

_WAITS = """
import os
import time


@ct.electron
def first(x):
    print("first has run")
    return [x]


@ct.electron
def second(x, gate):
    while not os.path.exists(gate):
        time.sleep(0.01)
    return x


@ct.lattice
def workflow(gate):
    return second(first(5), gate)
"""

_LOOKS = """
import json

import covalent as ct

result = ct.get_result(open("id").read())
path = result.save(".")
for seen in (result, ct.Result.load(path)):
    nodes = seen.get_all_node_results()
    outputs = {name: output.get_deserialized() for name, output in seen.get_all_node_outputs().items()}
    print(json.dumps([seen.status, seen.result, [node.status for node in nodes], outputs, nodes[0].stdout]))
"""


def test_the_outputs_that_there_are_can_be_had_while_the_rest_runs(project: Project, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    project.workflow(_WAITS)
    project.write("looks.py", _LOOKS)
    with project.start(str(gate)) as program:
        dispatch_id = program.dispatch_id()
        (project.directory / "id").write_text(dispatch_id)
        _until_running(project, dispatch_id)
        done = project.attempt("looks.py")
        gate.touch()
        assert program.told().value == [5]
    assert done.returncode == 0, done.stderr
    expected = ["RUNNING", None, ["COMPLETED", "RUNNING"], {"first(0)": [5]}, "first has run\n"]
    assert [json.loads(line) for line in done.stdout.splitlines()] == [expected, expected]


def _until_running(project: Project, dispatch_id: str) -> None:
    path = f"/api/v1/dispatches/{dispatch_id}/nodes/1"
    wait_until(lambda: project.installation.request("GET", path).plain["status"] == "RUNNING", "the second task to run")
