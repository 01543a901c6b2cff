"""Executors that name an interpreter: of another Python, without the SDK, absent; and executors nobody knows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.acceptance.interpreters import OTHERS, OWN_VERSION, environment
from tests.acceptance.programs import Project
from tests.components import Python, found

#: Dispatches without looking first whether it can run.
_UNSEEN = """
import os

os.environ["COVALENT_PREFLIGHT"] = "0"
"""
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
    project.workflow(_UNSEEN + _TWO_EXECUTORS.format(executor=executor))


@pytest.mark.parametrize("component", OTHERS, ids=lambda component: component.name)
def test_what_cannot_run_is_refused_before_it_is_dispatched_with_the_ways_out(
    project: Project, tmp_path: Path, component: Python
) -> None:
    other = environment(found(component), tmp_path / "other", sdk=True)
    bare = environment(sys.executable, tmp_path / "bare", sdk=False)
    project.write("steps.py", "import packaging\n\n\ndef step():\n    return 1\n")
    project.workflow(
        f"""
        import steps

        there = ct.executor.LocalExecutor(python={str(tmp_path / "other")!r})


        @ct.electron(executor=there)
        def by_value():
            return 1


        @ct.lattice
        def workflow():
            ct.electron(len, executor=ct.executor.LocalExecutor(python={str(tmp_path / "nowhere")!r}))([])
            ct.electron(steps.step, executor=ct.executor.LocalExecutor(python={bare!r}))()
            return by_value()
        """
    )
    done = project.attempt()
    assert done.returncode != 0
    assert "PreflightError: workflow cannot run as it is, so nothing was dispatched:" in done.stderr
    assert f"len: the interpreter {tmp_path / 'nowhere'} is not there" in done.stderr
    assert f"step: {bare} lacks covalent-sdk and cloudpickle" in done.stderr
    assert f"{bare} -m pip install covalent-sdk" in done.stderr
    assert f"step: steps imports packaging, which {bare} (CPython {OWN_VERSION}) lacks; here it is packaging" in (
        done.stderr
    )
    assert f"{bare} -m pip install 'packaging==" in done.stderr
    assert f"by_value: by_value travels as its code, which only CPython {OWN_VERSION} understands, and {other} is " in (
        done.stderr
    )
    assert "move by_value into a module beside the script" in done.stderr
    assert f"LocalExecutor(python='{OWN_VERSION}')" in done.stderr


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
        _UNSEEN
        + dedent(f"""
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
        """)
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
