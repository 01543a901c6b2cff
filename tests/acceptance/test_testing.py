"""A user's own tests of workflows, run by pytest as the user runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.acceptance.programs import Project
from tests.installation import PATIENCE

WORKFLOWS = """
import covalent as ct


@ct.electron
def invert(x):
    return 1 / x


@ct.lattice
def inverses(xs):
    return [invert(x) for x in xs]
"""
CONFTEST = """
import covalent as ct
import pytest


@pytest.fixture(scope="session", autouse=True)
def covalent_server():
    with ct.testing.server() as server:
        yield server
"""
TESTS = """
import asyncio
import covalent as ct
import pytest
from workflows import inverses


def test_in_process():
    assert ct.testing.run(inverses)([1, 2]) == [1.0, 0.5]
    with pytest.raises(ZeroDivisionError):
        ct.testing.run(inverses)([0])


@pytest.mark.parametrize("x", [2, 4])
def test_on_the_server(x):
    assert ct.dispatch_sync(inverses)([x]).result == [1 / x]


def test_on_the_server_from_asyncio():
    async def main():
        dispatch_id = await ct.adispatch(inverses)([0])
        return await ct.aget_result(dispatch_id, wait=True)

    result = asyncio.run(main())
    assert result.status == "FAILED"
    assert "ZeroDivisionError" in result.error


def test_that_fails():
    assert ct.dispatch_sync(inverses)([0]).status == "COMPLETED"
"""


def test_a_users_tests_run_on_a_server_that_is_gone_afterwards(project: Project, tmp_path: Path) -> None:
    for name, text in (("workflows.py", WORKFLOWS), ("conftest.py", CONFTEST), ("test_workflows.py", TESTS)):
        project.write(name, text)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--rootdir=."],
        cwd=project.directory,
        env=project.installation.environ | {"TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 1, done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 failed, 4 passed"), done.stdout
    assert "test_that_fails" in done.stdout
    assert list(scratch.iterdir()) == []
