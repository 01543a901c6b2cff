"""Executors that name an interpreter: of another Python, without the SDK, absent; and executors nobody knows."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.acceptance.interpreters import OTHERS, OWN_VERSION, environment
from tests.acceptance.programs import Project
from tests.components import Python, found

_TWO_EXECUTORS = """
@ct.electron
def here(value):
    return value + 1


@ct.electron(executor={executor})
def elsewhere():
    return 1


@ct.lattice
def workflow():
    here(1)
    return elsewhere()
"""


def _with_executor(project: Project, executor: str) -> None:
    project.workflow(_TWO_EXECUTORS.format(executor=executor))


@pytest.mark.parametrize("component", OTHERS, ids=lambda component: component.name)
def test_functions_of_modules_run_on_another_python_and_functions_of_the_script_say_why_not(
    project: Project, tmp_path: Path, component: Python
) -> None:
    python = environment(found(component), tmp_path / "environment", sdk=True)
    project.write(
        "steps.py",
        """
        import sys


        def version(*values):
            return [*values, "%d.%d" % sys.version_info[:2]]
        """,
    )
    project.workflow(
        f"""
        import steps

        other = ct.executor.LocalExecutor(python={python!r})


        @ct.electron(executor=other)
        def by_value():
            return 1


        @ct.lattice
        def workflow():
            by_value()
            there = ct.electron(steps.version, executor=other)()
            return ct.electron(steps.version)(there, "then")
        """
    )
    told = project.run()
    nodes = project.nodes(told)
    assert json.loads(nodes["version"]["output"]["json"]) == [[component.version], "then", OWN_VERSION]
    assert nodes["by_value"]["status"] == "FAILED"
    assert f"was serialised by CPython {OWN_VERSION}" in nodes["by_value"]["error"]
    assert f"but this process runs CPython {component.version}" in nodes["by_value"]["error"]
    assert "functions of modules travel by name and run on any Python" in nodes["by_value"]["error"]


@pytest.mark.parametrize("component", OTHERS, ids=lambda component: component.name)
def test_a_script_of_another_python_that_chose_this_one_for_its_functions_is_told_both_and_the_ways_out(
    project: Project, tmp_path: Path, component: Python
) -> None:
    python = environment(found(component), tmp_path / "environment", sdk=True)
    _with_executor(project, f"ct.executor.LocalExecutor(python={sys.executable!r})")
    with project.start(python=python) as program:
        told = program.told()
    nodes = project.nodes(told)
    assert (told.status, nodes["here"]["output"]["json"]) == ("FAILED", "2")
    assert told.error is not None
    for error in (told.error, nodes["elsewhere"]["error"]):
        assert f"was serialised by CPython {component.version}" in error
        assert f"but this process runs CPython {OWN_VERSION}" in error
        assert f"dispatch from CPython {OWN_VERSION}" in error
        assert f"give the electron an executor that runs CPython {component.version}" in error
        assert "functions of modules travel by name and run on any Python" in error


def test_an_interpreter_without_the_sdk_fails_its_tasks_with_the_command_that_mends_it(
    project: Project, tmp_path: Path
) -> None:
    python = environment(sys.executable, tmp_path / "bare", sdk=False)
    _with_executor(project, f"ct.executor.LocalExecutor(python={python!r})")
    told = project.run()
    nodes = project.nodes(told)
    assert told.status == nodes["elsewhere"]["status"] == "FAILED"
    assert f"run: {python} -m pip install covalent-sdk" in nodes["elsewhere"]["error"]
    assert nodes["here"]["output"]["json"] == "2"


def test_an_interpreter_that_is_not_there_fails_its_tasks_naming_it(project: Project, tmp_path: Path) -> None:
    python = str(tmp_path / "nowhere" / "python")
    _with_executor(project, f"ct.executor.LocalExecutor(python={python!r})")
    told = project.run()
    nodes = project.nodes(told)
    assert told.status == nodes["elsewhere"]["status"] == "FAILED"
    assert f"the interpreter {python} cannot be run" in nodes["elsewhere"]["error"]
    assert nodes["here"]["output"]["json"] == "2"


def test_an_unknown_executor_fails_its_own_tasks_alone_naming_it_and_those_there_are(project: Project) -> None:
    _with_executor(project, "'abacus'")
    told = project.run()
    nodes = project.nodes(told)
    assert told.status == nodes["elsewhere"]["status"] == "FAILED"
    assert "this server has no executor 'abacus'; it has: local" in nodes["elsewhere"]["error"]
    assert nodes["here"]["output"]["json"] == "2"
