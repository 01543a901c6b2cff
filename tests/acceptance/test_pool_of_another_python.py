"""A worker of another Python than the one that dispatches: nothing of the wrong bytecode runs, and it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.interpreters import OTHERS, OWN_VERSION, environment
from tests.acceptance.pool_workers import environ_of, pool_worker, token_file
from tests.acceptance.programs import Project
from tests.components import Python, found
from tests.installation import Installation

ONE_TASK = """
@ct.electron
def one():
    return 1


@ct.lattice(executor=ct.executor.WorkerPoolExecutor("other"))
def workflow():
    return one()
"""


@pytest.mark.parametrize("python", OTHERS, ids=lambda python: python.version)
def test_a_function_by_value_fails_with_both_versions_named(
    python: Python, tmp_path: Path, shared_installation: Installation
) -> None:
    other = environment(found(python), tmp_path / "environment", sdk=True)
    token_file(shared_installation, "other", tmp_path / "token")
    project = Project(tmp_path / "project", shared_installation)
    project.workflow(ONE_TASK)
    arguments = ["--server", shared_installation.url, "--pool", "other", "--token-file", str(tmp_path / "token")]
    with (
        project.start() as program,
        pool_worker(other, arguments, environ_of(shared_installation, tmp_path / "worker"), tmp_path / "log"),
    ):
        error = project_error(program.dispatch_id(), shared_installation)
    assert OWN_VERSION in error
    assert python.version in error


def project_error(dispatch_id: str, installation: Installation) -> str:
    """What a dispatch failed with, once it has."""
    told = installation.request("GET", f"/api/v1/dispatches/{dispatch_id}?wait=50").plain
    assert told["status"] == "FAILED"
    node = installation.request("GET", f"/api/v1/dispatches/{dispatch_id}/nodes/0").plain
    return str(node["error"])
