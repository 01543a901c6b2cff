"""One workflow whose electrons run on Python 3.11, 3.12 and 3.13, with values flowing between them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.interpreters import OWN_VERSION, conda_like, environment
from tests.acceptance.programs import Project
from tests.components import PYTHONS, found
from tests.installation import Installation

_STEPS = """
import datetime
import decimal
import pathlib
import sys
import uuid

import numpy as np


def version():
    return "%d.%d" % sys.version_info[:2]


def start(size):
    return {"on": (version(),), "numbers": np.arange(size, dtype=float), "seen": {version()}}


def double(state):
    return {
        "on": (*state["on"], version()),
        "numbers": state["numbers"] * 2,
        "seen": state["seen"] | {version()},
    }


def standard():
    return [
        pathlib.Path("/a/b"), pathlib.PurePosixPath("c"), datetime.date(2026, 1, 2), decimal.Decimal("1.5"),
        uuid.UUID(int=1), 2 + 1j, b"bytes", frozenset({1}), range(3),
    ]


def same(values):
    return values == standard() and [type(value) for value in values] == [type(value) for value in standard()]


def function():
    return lambda x: x + 1


def call(given):
    return given(1)


def total(state):
    return float(state["numbers"].sum()), state["numbers"].dtype.str
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pythons:
    """Environments of all versions, with numpy and the SDK."""

    #: Directories, by version.
    homes: dict[str, Path]

    def executor(self, version: str) -> str:
        """The source of an executor, which names a directory."""
        return f"ct.executor.LocalExecutor(python={str(self.homes[version])!r})"


@pytest.fixture(scope="module")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> Pythons:
    homes = {component.version: tmp_path_factory.mktemp("pythons") / component.name for component in PYTHONS}
    for component in PYTHONS:
        environment(found(component), homes[component.version], sdk=True, wheels=["numpy"])
    return Pythons(homes=homes)


@pytest.fixture
def scientist(tmp_path: Path, shared_installation: Installation, scientist_python: str) -> Project:
    """A user whose environment is none of those, of this Python and with numpy."""
    project = Project(tmp_path / "project", shared_installation, scientist_python)
    project.write("steps.py", _STEPS)
    return project


def test_plain_values_and_arrays_flow_between_electrons_of_three_pythons(scientist: Project, pythons: Pythons) -> None:
    first, second, third = (pythons.executor(component.version) for component in PYTHONS)
    scientist.workflow(
        f"""
        import steps


        @ct.electron
        def here(state):
            import sys

            return sorted(state["seen"]), list(state["on"]), "%d.%d" % sys.version_info[:2]


        @ct.lattice
        def workflow(size):
            one = ct.electron(steps.start, executor={first})(size)
            two = ct.electron(steps.double, executor={second})(one)
            three = ct.electron(steps.double, executor={third})(two)
            four = ct.electron(steps.double, executor={first})(three)
            return here(four), ct.electron(steps.total, executor={second})(four)
        """
    )
    told = scientist.run(4)
    versions = [component.version for component in PYTHONS]
    assert told.status == "COMPLETED", told.error
    assert told.value == [[versions, [*versions, versions[0]], OWN_VERSION], [48.0, "<f8"]]


def test_numpy_1_and_2_read_each_others_arrays(
    scientist: Project, pythons: Pythons, tmp_path_factory: pytest.TempPathFactory
) -> None:
    oldest, newest = PYTHONS[0], PYTHONS[-1]
    home = tmp_path_factory.mktemp("numpy_1") / "environment"
    environment(found(oldest), home, sdk=True, wheels=["numpy==1.26.4"])
    scientist.workflow(
        f"""
        import steps

        old, new = ct.executor.LocalExecutor(python={str(home)!r}), {pythons.executor(newest.version)}


        @ct.lattice
        def workflow(size):
            one = ct.electron(steps.start, executor=new)(size)
            two = ct.electron(steps.double, executor=old)(one)
            return ct.electron(steps.total, executor=new)(two), ct.electron(steps.total, executor=old)(two)
        """
    )
    told = scientist.run(4)
    assert told.status == "COMPLETED", told.error
    assert told.value == [[12.0, "<f8"], [12.0, "<f8"]]


@pytest.mark.parametrize("version", [component.version for component in PYTHONS])
def test_sublattices_and_return_values_are_worked_out_by_the_python_that_the_workflow_executor_names(
    scientist: Project, pythons: Pythons, version: str
) -> None:
    scientist.write(
        "flows.py",
        """
        import covalent as ct
        import numpy as np

        import steps

        double, total, version = ct.electron(steps.double), ct.electron(steps.total), ct.electron(steps.version)


        @ct.electron
        @ct.lattice
        def repeated(state, times):
            for _ in range(times):
                state = double(state)
            return [total(state), version(), steps.version()]


        @ct.lattice(postprocess="replay")
        def workflow(size):
            state = {"on": (), "numbers": np.arange(size), "seen": set()}
            return [repeated(state, 2), steps.version()]
        """,
    )
    scientist.workflow(
        f"""
        import flows

        workflow = flows.workflow
        workflow.executor = workflow.workflow_executor = {pythons.executor(version)}
        """
    )
    told = scientist.run(4)
    assert told.status == "COMPLETED", told.error
    assert told.value == [[[24.0, "<i8"], version, version], version]


def test_values_of_the_standard_library_go_from_every_python_to_every_other(
    scientist: Project, pythons: Pythons
) -> None:
    executors = ", ".join(pythons.executor(component.version) for component in PYTHONS)
    scientist.workflow(
        f"""
        import steps


        @ct.lattice
        def workflow():
            executors = [{executors}]
            values = [ct.electron(steps.standard, executor=one)() for one in executors]
            return [ct.electron(steps.same, executor=one)(value) for one in executors for value in values]
        """
    )
    told = scientist.run()
    assert told.status == "COMPLETED", told.error
    assert told.value == [True] * len(PYTHONS) ** 2


def test_a_function_that_a_task_made_stays_in_its_python_and_the_one_that_takes_it_says_why(
    scientist: Project, pythons: Pythons
) -> None:
    first, second, _ = (component.version for component in PYTHONS)
    scientist.workflow(
        f"""
        import steps

        first, second = {pythons.executor(first)}, {pythons.executor(second)}


        @ct.lattice
        def workflow():
            given = ct.electron(steps.function, executor=first)()
            ct.electron(steps.call, executor=second)(given)
            return ct.electron(steps.call, executor=first)(given)
        """
    )
    told = scientist.run()
    assert told.status == "FAILED"
    assert told.error is not None
    assert f"was serialised by CPython {first}, but this process runs CPython {second}" in told.error


def test_a_conda_environment_is_a_prefix_with_its_own_python(scientist: Project, tmp_path: Path) -> None:
    component = next(component for component in PYTHONS if component.version != OWN_VERSION)
    home = tmp_path / "miniforge3"
    prefix = conda_like(found(component), home / "envs" / "chemistry")
    scientist.write("where.py", "import sys\n\n\ndef prefix():\n    return sys.prefix, sys.base_prefix\n")
    scientist.workflow(
        """
        import where


        @ct.lattice
        def workflow():
            named = ct.executor.LocalExecutor(conda_env="chemistry")
            return ct.electron(where.prefix, executor=named)()
        """
    )
    done = scientist.attempt(CONDA_EXE=str(home / "bin" / "conda"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["value"] == [str(prefix), str(prefix)], told


def test_a_version_alone_is_enough_when_its_python_has_the_sdk(scientist: Project, pythons: Pythons) -> None:
    version = next(component.version for component in PYTHONS if component.version != OWN_VERSION)
    scientist.workflow(
        f"""
        import steps

        there = ct.executor.LocalExecutor(python={version!r})


        @ct.lattice
        def workflow():
            return ct.electron(steps.version, executor=there)()
        """
    )
    path = f"{pythons.homes[version] / 'bin'}"
    done = scientist.attempt(PATH=path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["value"] == version
