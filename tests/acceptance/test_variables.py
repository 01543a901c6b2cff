"""Environment variables of tasks: of the executor, the lattice, the electron, and of the dispatch, which is last."""

from __future__ import annotations

from tests.acceptance.programs import Project

_SCRIPT = """
import os

NAMES = ("A", "B", "C", "D")
here = ct.executor.LocalExecutor(env={"A": "executor", "B": "executor", "C": "executor", "D": "executor"})


@ct.electron(executor=here, env={"C": "electron", "D": "electron"})
def named():
    return [os.environ.get(name) for name in NAMES]


@ct.electron
def unnamed():
    return [os.environ.get(name) for name in NAMES]


@ct.electron
@ct.lattice
def inner():
    return unnamed()


@ct.lattice(env={"B": "lattice", "C": "lattice", "D": "lattice"})
def workflow():
    return [named(), unnamed(), inner()]


facts["plain"], facts["of the dispatch"] = (
    ct.dispatch_sync(workflow, env=env)().result for env in (None, {"D": "dispatch"})
)
facts["outside"] = unnamed()
"""


def test_the_nearer_to_the_task_the_stronger_and_the_dispatch_is_strongest(project: Project) -> None:
    told = project.facts(_SCRIPT)
    assert told["plain"] == [["executor", "lattice", "electron", "electron"], *[[None, *["lattice"] * 3]] * 2]
    assert told["of the dispatch"] == [
        ["executor", "lattice", "electron", "dispatch"],
        *[[None, "lattice", "lattice", "dispatch"]] * 2,
    ]
    assert told["outside"] == [None] * 4
