"""Why a task is not running, asked of a real server while its workflow runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.acceptance.programs import Project
from tests.installation import PATIENCE, wait_until

_WORKFLOW = """
import os
import time


@ct.electron
def waits(go):
    while not os.path.exists(go):
        time.sleep(0.01)


@ct.electron
def follows(value):
    return value


@ct.electron(retries=1, retry_delay=3600)
def fails():
    raise ValueError("not yet")


@ct.lattice
def workflow(go):
    return [follows(waits(go)), fails()]
"""
_ASKING = """
from dataclasses import asdict

facts["why"] = [asdict(waiting) for waiting in ct.get_result({id!r}).why()]
"""


def test_each_task_of_a_running_workflow_says_why_it_does_not_run(project: Project, tmp_path: Path) -> None:
    go = tmp_path / "go"
    project.workflow(_WORKFLOW)

    def why() -> dict[str, dict[str, Any]]:
        told = project.facts(_ASKING.format(id=dispatch_id), name="asking.py")
        return {item["node_name"]: item for item in told["why"]}

    with project.start(str(go)) as program:
        dispatch_id = program.dispatch_id()
        wait_until(lambda: {item["code"] for item in why().values()} == {"running", "nodes", "retry"}, "all reasons")
        told = why()
        assert {name: item["code"] for name, item in told.items() if name in {"waits", "follows", "fails"}} == {
            "waits": "running",
            "follows": "nodes",
            "fails": "retry",
        }
        assert told["follows"]["nodes"] == [told["waits"]["node_id"]]
        assert told["fails"]["due_at"] > told["waits"]["since"]
        (last,) = told.keys() - {"waits", "follows", "fails"}
        node = str(told["follows"]["node_id"])
        asked = subprocess.run(
            [sys.executable, "-m", "covalent", "why", dispatch_id, node],
            env=project.installation.environ,
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        assert f"it waits for node {told['waits']['node_id']}; ask why about those that do not run" in asked.stdout
        go.touch()
        wait_until(lambda: set(why()) == {"fails", last}, "all but what comes after the failure to end")
        project.facts(f"ct.cancel({dispatch_id!r})", name="cancelling.py")
        wait_until(lambda: not why(), "the end")
