"""Values that are put together on the user's machine: with the server, without one, in another environment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.interpreters import environment
from tests.acceptance.programs import Project

_WORKFLOW = """
import json
import sys

import covalent as ct


@ct.electron
def measure(x):
    print(f"measuring {{x}}")
    return {{"value": x * x}}


@ct.electron
def total(*values):
    return sum(values)


@ct.lattice({options})
def workflow(x):
    found = [measure(number) for number in range(x)]
    return {{"total": total(*[item["value"] for item in found]), "last": (found[-1]["value"],)}}
"""
_VALUE = {"total": 5, "last": [4]}


def _run(project: Project, text: str, options: str = "workflow_executor='client'", **environ: str) -> list[str]:
    """The lines that a script prints."""
    project.write("script.py", _WORKFLOW.format(options=options) + text)
    done = project.attempt(**environ)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


_DISPATCHED = """
result = ct.dispatch_sync(workflow)(3)
print(result.dispatch_id)
print(result.status)
"""


def test_a_value_that_is_left_to_the_client_completes_the_dispatch(project: Project) -> None:
    _, status, value, after, elsewhere = _run(
        project,
        _DISPATCHED
        + """
print(json.dumps(result.post_process()))
print(result.status)
print(json.dumps(ct.get_result(result.dispatch_id).result))
""",
    )
    assert (status, after) == ("PENDING_POSTPROCESSING", "COMPLETED")
    assert json.loads(value) == json.loads(elsewhere) == _VALUE


def test_with_the_server_stopped_it_is_still_put_together_and_stored_later(own_project: Project) -> None:
    lines = _run(
        own_project,
        _DISPATCHED
        + """
import subprocess

subprocess.run([sys.executable, "-m", "covalent_server", "stop"], check=True, capture_output=True)
print(json.dumps(result.post_process()))
print(result.status)
subprocess.run([sys.executable, "-m", "covalent_server", "start"], check=True, capture_output=True)
result.post_process()
print(result.status)
""",
    )
    assert json.loads(lines[2]) == _VALUE
    assert lines[3:] == ["PENDING_POSTPROCESSING", "COMPLETED"]


def test_a_saved_result_is_finished_by_another_account_and_environment_without_a_server(
    project: Project, tmp_path: Path
) -> None:
    _run(project, _DISPATCHED + "result.save('result.zip')\n")
    moved = tmp_path / "moved.zip"
    (project.directory / "result.zip").rename(moved)
    # A home that knows no server and no token, and an interpreter with the SDK and nothing of the project.
    environ = {"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", "COVALENT_SERVER_URL": "http://127.0.0.1:9"}
    script = (
        "import json, sys, covalent as ct\n"
        "result = ct.Result.load(sys.argv[1])\n"
        "print(json.dumps([result.status, result.post_process(), result.result, result.get_node_result(1).stdout]))\n"
    )
    python = environment(sys.executable, tmp_path / "environment", sdk=True)
    done = subprocess.run(
        [python, "-c", script, str(moved)], env=environ, cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["PENDING_POSTPROCESSING", _VALUE, _VALUE, "measuring 1\n"]


@pytest.mark.parametrize("postprocess", ["reconstruct", "replay"])
def test_what_the_chosen_executor_could_not_do_is_done_here(project: Project, tmp_path: Path, postprocess: str) -> None:
    bare = environment(sys.executable, tmp_path / "bare", sdk=False)
    options = f"postprocess={postprocess!r}, workflow_executor=ct.executor.LocalExecutor(python={bare!r})"
    _, status, error, value, after, outputs = _run(
        project,
        _DISPATCHED
        + """
print(result.error.splitlines()[0])
print(json.dumps(result.post_process()))
print(result.status)
print(json.dumps(sorted(result.get_all_node_outputs())))
""",
        options,
        COVALENT_PREFLIGHT="0",
    )
    assert status == after == "FAILED_POSTPROCESSING"
    assert "pip install covalent-sdk" in error
    assert json.loads(value) == _VALUE
    assert json.loads(outputs) == ["measure(0)", "measure(1)", "measure(2)", "total(3)"]


def test_a_dispatch_with_a_failed_task_has_nothing_to_put_together(project: Project) -> None:
    failing = "\n@ct.electron\ndef total(*values):\n    raise ValueError('no total')\n"
    project.write("script.py", _WORKFLOW.format(options="workflow_executor='client'") + failing + _DISPATCHED)
    project.write(
        "finish.py",
        _WORKFLOW.format(options="workflow_executor='client'")
        + failing
        + "ct.dispatch_sync(workflow)(3).post_process()",
    )
    done = project.attempt("finish.py")
    assert done.returncode == 1
    assert "covalent.errors.PostProcessingError" in done.stderr
    assert "was FAILED when this result was made, so outputs are missing: total(3)" in done.stderr
    assert "ValueError: no total" in done.stderr
