"""``deps_pip``: tasks with packages of their own, which conflict with each other and are installed nowhere else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.programs import Project
from tests.installation import Installation, wait_until
from tests.wheels import slow, wheel

_ELECTRONS = """
def asks(*requirements):
    return ["--no-index", "--find-links shelf", *requirements]


@ct.electron(deps_pip=asks("fruit==1.0", "basket"))
def old(*_):
    import basket, fruit
    return [fruit.__version__, basket.FRUIT]


@ct.electron(deps_pip=ct.DepsPip(reqs_path="requirements.txt"))
def new(*_):
    import fruit
    print("one", fruit.__version__)
    return [fruit.__version__, fruit.__file__]


@ct.electron
def none():
    import importlib.util
    return importlib.util.find_spec("fruit") is None
"""

_SIDE_BY_SIDE = (
    _ELECTRONS
    + """

@ct.lattice
def workflow():
    first, second = old(), new()
    return [first, second, old(second), none()]


result = ct.dispatch_sync(workflow)()
facts["value"] = result.result
facts["status"], facts["error"] = result.status, result.error
nodes = [result.get_node_result(number) for number in range(4)]
facts["environments"] = [node["environment"] for node in nodes]
facts["shown"] = str(nodes[1])

"""
)


def shelve(project: Project) -> Path:
    """Packages beside a script."""
    shelf = project.directory / "shelf"
    wheel(shelf, "fruit", "1.0")
    wheel(shelf, "fruit", "2.0")
    wheel(shelf, "basket", "1.0", requires=["fruit<2"], files={"basket.py": "from fruit import __version__ as FRUIT\n"})
    project.write("requirements.txt", "--no-index\n-f shelf\nfruit>=2,<3  # the newer one\n")
    return shelf


@pytest.fixture(scope="module")
def told(user: Project) -> dict[str, Any]:
    shelve(user)
    before = listed(user.python)
    facts = user.facts(_SIDE_BY_SIDE, "side_by_side.py")
    return {**facts, "unchanged": listed(user.python) == before}


def listed(python: str) -> set[str]:
    """The files of an environment."""
    root = Path(python).parent.parent
    return {str(path) for path in root.rglob("*") if "__pycache__" not in path.parts}


def test_two_electrons_of_one_workflow_have_conflicting_versions_and_a_third_has_none(told: dict[str, Any]) -> None:
    assert told["error"] is None
    first, second, third, without = told["value"]
    assert first == third == ["1.0", "1.0"]
    assert second[0] == "2.0"
    assert without is True


def test_the_environment_of_the_executor_is_not_changed(told: dict[str, Any], user: Project) -> None:
    assert told["unchanged"]
    assert not told["value"][1][1].startswith(str(Path(user.python).parent.parent))


def test_a_nodes_result_tells_what_was_installed_for_it(told: dict[str, Any]) -> None:
    old, new, again, none = told["environments"]
    assert sorted(old["resolved"]) == ["basket==1.0", "fruit==1.0"]
    assert new["resolved"] == ["fruit==2.0"]
    assert new["seconds"] > 0
    assert old == again
    assert none is None
    assert "environment: fruit==2.0" in told["shown"]


# -- what belongs to the workflow itself


_WHOLE = (
    _ELECTRONS
    + """

@ct.electron
def cut(size):
    import fruit
    return fruit.Slice(size)


@ct.lattice(deps_pip=asks("fruit==3.0"))
def inner(size):
    import fruit
    return [cut(number) for number in range(size + len(fruit.__version__))]


@ct.electron
def total(slices):
    return sum(item.size for item in slices)


@ct.lattice(deps_pip=asks("fruit==3.0"), deps_bash="command -v sh")
def outer():
    return {"operator": (cut(1) + cut(2)), "sublattice": total(ct.electron(inner)(1))}


result = ct.dispatch_sync(outer)()
facts["outer"] = [result.status, result.error]
facts["text"] = result.object_string
facts["nodes"] = {
    node["node_name"]: (node["environment"] or {}).get("resolved") for node in result.get_all_node_results()
}
"""
)

_SLICE = """
__version__ = "3.0"


class Slice:
    def __init__(self, size):
        self.size = size

    def __add__(self, other):
        return Slice(self.size + other.size)

    def __repr__(self):
        return f"Slice({self.size})"
"""


def test_operators_sublattices_and_return_values_are_worked_out_with_the_lattices_packages(user: Project) -> None:
    wheel(shelve(user), "fruit", "3.0", files={"fruit.py": _SLICE})
    facts = user.facts(_WHOLE, "whole.py")
    assert facts["outer"] == ["COMPLETED", None]
    assert facts["text"] == "{'operator': Slice(3), 'sublattice': 6}"
    assert facts["nodes"] == {name: ["fruit==3.0"] for name in ("cut", "add", "inner", "total", "collect")}


_AGAIN = (
    _ELECTRONS
    + """

@ct.electron(cache=True, deps_pip=asks("fruit==1.0"))
def version(x):
    import fruit, os
    return [fruit.__version__, x, os.urandom(8).hex()]


@ct.lattice
def workflow():
    return [version("first"), none()]


@ct.lattice
def others():
    return [ct.electron(version.electron_object.function, cache=True, deps_pip=asks("fruit==2.0"))("first")]


def told(dispatch_id):
    result = ct.get_result(dispatch_id, wait=True)
    return [result.result, [(node["environment"] or {}).get("resolved") for node in result.get_all_node_results()]]


first = ct.dispatch(workflow)()
facts["first"] = told(first)
facts["equal"] = told(ct.dispatch(workflow)())
facts["others"] = told(ct.dispatch(others)())


@ct.electron(deps_pip=asks("fruit==2.0"))
def newer(x):
    import fruit
    return [fruit.__version__, x]


facts["reused"] = told(ct.redispatch(first, reuse_previous_results=True)())
facts["replaced"] = told(ct.redispatch(first, replace_electrons={"version": newer}, reuse_previous_results=True)())
"""
)


def test_the_same_task_with_other_packages_is_another(user: Project) -> None:
    shelve(user)
    facts = user.facts(_AGAIN, "again.py")
    (value, without), environments = facts["first"]
    assert (value[:2], without) == (["1.0", "first"], True)
    assert environments[0] == ["fruit==1.0"]
    assert facts["equal"][0] == facts["first"][0]
    assert facts["reused"][0] == facts["first"][0]
    assert facts["others"][0][0][:2] == ["2.0", "first"]
    (value, _), environments = facts["replaced"]
    assert (value, environments[0]) == (["2.0", "first"], ["fruit==2.0"])


# -- what cannot be had


def test_requirements_that_cannot_be_met_fail_their_task_in_the_installers_words(user: Project) -> None:
    shelve(user)
    facts = user.facts(
        _ELECTRONS
        + """
@ct.electron(deps_pip=asks("fruit==1.0", "basket", "fruit>=2"), retries=1)
def torn():
    return 1


@ct.lattice
def workflow():
    torn(), none()


result = ct.get_result(ct.dispatch(workflow)(), wait=True)
facts["status"] = result.status
facts["nodes"] = [
    [node[key] for key in ("status", "error", "stderr", "environment")] for node in result.get_all_node_results()
]
""",
        "torn.py",
    )
    (status, error, stderr, environment), (other, *_) = facts["nodes"]
    assert (facts["status"], status, other) == ("FAILED", "FAILED", "COMPLETED")
    assert error.startswith("the packages of deps_pip cannot be installed: ")
    assert "fruit" in error
    assert error.strip() in stderr
    assert environment is None


# -- while it is built


_WAITS = """
@ct.electron(deps_pip=["--no-index", "--find-links shelf", "bread"], timeout=5)
def bake():
    import bread
    return bread.__version__


@ct.lattice
def workflow():
    return bake()
"""


class Bakery:
    """A package that takes as long to build as the test wants."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._began, self._wait = project.directory / "began", project.directory / "wait"
        slow(project.directory / "shelf", "bread", "1.0", began=self._began, wait=self._wait)
        project.workflow(_WAITS)

    def builder(self) -> int:
        """The process that builds it, once it does."""
        wait_until(lambda: self._began.exists() and self._began.read_text(), "the package to be built")
        return int(self._began.read_text())

    def finish(self) -> None:
        self._wait.touch()

    def node(self, dispatch_id: str) -> dict[str, Any]:
        answer = self.project.installation.request("GET", f"/api/v1/dispatches/{dispatch_id}/nodes/0")
        found: dict[str, Any] = answer.plain
        return found

    def prepared(self, dispatch_id: str) -> dict[str, Any]:
        """The node, once the server says that its environment is being built."""

        def told() -> dict[str, Any] | None:
            node = self.node(dispatch_id)
            return node if node["status"] == "DISPATCHING" else None

        found: dict[str, Any] = wait_until(told, "word that the environment is being built")
        return found

    def history(self, dispatch_id: str) -> list[str]:
        events = self.project.installation.request("GET", "/api/v1/events?after=0&limit=1000").plain["events"]
        return [item["kind"] for item in events if item["dispatch_id"] == dispatch_id and item.get("node_id") == 0]


@pytest.fixture
def bakery(own_project: Project) -> Bakery:
    return Bakery(own_project)


def test_a_node_says_that_its_environment_is_being_built_and_its_timeout_does_not_run(bakery: Bakery) -> None:
    with bakery.project.start() as program:
        dispatch_id = program.dispatch_id()
        node = bakery.prepared(dispatch_id)
        assert node["preparing_since"] > 0
        shown = bakery.project.facts(
            f"facts['node'] = str(ct.get_result({dispatch_id!r}).get_node_result(0))", "look.py"
        )
        assert "status: DISPATCHING, its environment is being built since 20" in shown["node"]
        bakery.builder()
        waited = node["preparing_since"] + 6  # longer than its timeout
        wait_until(lambda: time.time() > waited, "the timeout, were it running, to be over")
        bakery.finish()
        told = program.told()
    assert (told.status, told.value) == ("COMPLETED", "1.0")
    assert bakery.history(dispatch_id) in (
        ["node.leased", "node.preparing", "node.completed"],
        ["node.leased", "node.preparing", "node.running", "node.completed"],
    )
    assert bakery.node(dispatch_id)["environment"]["resolved"] == ["bread==1.0"]


def test_a_task_is_cancelled_while_its_environment_is_built(bakery: Bakery) -> None:
    with bakery.project.start() as program:
        dispatch_id = program.dispatch_id()
        bakery.prepared(dispatch_id)
        bakery.builder()
        bakery.project.facts(f"ct.cancel({dispatch_id!r})", "cancel.py")
        assert program.told().status == "CANCELLED"
        assert bakery.node(dispatch_id)["status"] == "CANCELLED"
    bakery.finish()


def _server(installation: Installation) -> None:
    installation.kill()


def _both(installation: Installation) -> None:
    for pid in installation.worker_pids():
        os.kill(pid, signal.SIGKILL)
    installation.kill()


@pytest.mark.parametrize("kill", [_server, _both], ids=["server", "server and worker"])
def test_a_dispatch_goes_on_whose_environment_was_being_built_when_they_were_killed(
    bakery: Bakery, kill: Callable[[Installation], None]
) -> None:
    installation = bakery.project.installation
    with bakery.project.start() as program:
        dispatch_id = program.dispatch_id()
        bakery.prepared(dispatch_id)
        bakery.builder()
        kill(installation)
        bakery.finish()
        installation.start()
        told = program.told()
    assert (told.status, told.value) == ("COMPLETED", "1.0")
    assert bakery.node(dispatch_id)["failures"] == 0
