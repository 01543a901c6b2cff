"""Sublattices: workflows in workflows, built where tasks run, on real values, and seen by the server as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.programs import Project

_SCRIPT = """
import os


def say(word):
    print(word)


@ct.electron
def add(a, b):
    return a + b


@ct.electron
def numbers(n):
    return list(range(n))


@ct.electron
def fail(word):
    raise LookupError(word)


@ct.electron
def where():
    print(os.environ.get("COLOUR"))
    return os.path.basename(os.getcwd())


@ct.electron
@ct.lattice
def third(n):
    return add(n, 100)


@ct.electron
@ct.lattice
def second(n):
    return third(add(n, 10))


@ct.electron
@ct.lattice
def first(n):
    return second(add(n, 1))


@ct.lattice
def nested(n):
    return add(first(n), 1000)


@ct.electron
@ct.lattice
def fibonacci(n):
    if n < 2:
        return n
    return add(fibonacci(n - 1), fibonacci(n - 2))


@ct.lattice
def recursive(n):
    return fibonacci(n)


@ct.electron
@ct.lattice
def odd_ones(values):
    return {f"number {value}": add(value, value) for value in values if value % 2}


@ct.electron
@ct.lattice
def pair(values):
    assert len(values) == 5
    return add(values[0], 1), add(values[-1], 1)


@ct.lattice
def on_real_values():
    values = numbers(5)
    a, b = pair(values)
    return [odd_ones(values), add(a, b), [first(n) for n in range(2)]]


@ct.electron
@ct.lattice
def fails_while_it_is_built(n):
    raise LookupError(f"while building {n}")


@ct.electron
@ct.lattice
def fails_inside(n):
    add(n, 1)
    return add(fail("inside"), 1)


@ct.electron
@ct.lattice
def fails_deep_inside(n):
    return fails_inside(n)


@ct.lattice
def failing():
    add(fails_while_it_is_built(1), 1)
    fails_deep_inside(1)
    return first(0)


@ct.electron
@ct.lattice
def leaves_open():
    return [where(), where() + "!"]


@ct.electron(executor=ct.executor.LocalExecutor(workdir="builder"))
@ct.lattice(executor=ct.executor.LocalExecutor(workdir="its own"), call_before=[])
def says_itself():
    print(os.path.basename(os.getcwd()))
    return where()


@ct.lattice(
    executor=ct.executor.LocalExecutor(workdir="of the parent"), call_before=[ct.DepsCall(say, ["parent's before"])]
)
def filled():
    return leaves_open(), says_itself()


@ct.electron
@ct.lattice
def constant():
    return {"a": 1}


@ct.lattice
def constants():
    return constant()["a"], constant()


def seen(result):
    "A dispatch and all below it."
    nodes = result.get_all_node_results()
    return {
        "id": result.dispatch_id,
        "root": result.root_dispatch_id,
        "status": result.status,
        "value": result.result,
        "error": result.error,
        "nodes": [[node["node_name"], node["status"], node["error"], node["stdout"]] for node in nodes],
        "below": [seen(node["sublattice_result"]) for node in nodes if node["sublattice_result"] is not None],
    }


dispatched = {
    "nested": ct.dispatch(nested)(0),
    "recursive": ct.dispatch(recursive)(4),
    "on_real_values": ct.dispatch(on_real_values)(),
    "failing": ct.dispatch(failing)(),
    "filled": ct.dispatch(filled, env={"COLOUR": "green"}, tags=["filled"])(),
    "constants": ct.dispatch(constants)(),
}
for name, dispatch_id in dispatched.items():
    facts[name] = seen(ct.get_result(dispatch_id, wait=True))
facts["plain"] = [recursive(4), on_real_values()]
"""


@pytest.fixture(scope="module")
def told(user: Project) -> dict[str, Any]:
    return user.facts(_SCRIPT)


def _all(seen: dict[str, Any]) -> list[dict[str, Any]]:
    """A dispatch and all below it, the uppermost first."""
    return [seen, *(below for child in seen["below"] for below in _all(child))]


def test_sublattices_may_be_nested_three_deep(told: dict[str, Any]) -> None:
    nested = told["nested"]
    assert (nested["status"], nested["value"], nested["error"]) == ("COMPLETED", 1111, None)
    assert [[name for name, *_ in each["nodes"]] for each in _all(nested)] == [
        ["first", "add"],
        ["add", "second"],
        ["add", "third"],
        ["add"],
    ]
    assert [each["value"] for each in _all(nested)] == [1111, 111, 111, 111]


def test_each_dispatch_is_one_of_its_own_and_knows_its_root(told: dict[str, Any]) -> None:
    for name in ("nested", "recursive", "on_real_values", "failing"):
        whole = _all(told[name])
        assert len({each["id"] for each in whole}) == len(whole)
        assert {each["root"] for each in whole} == {told[name]["id"]}


def test_recursion_goes_as_deep_as_the_values_say(told: dict[str, Any]) -> None:
    assert told["recursive"]["value"] == told["plain"][0] == 3
    assert len(_all(told["recursive"])) == 10


def test_loops_and_conditions_in_a_sublattice_work_on_real_values(told: dict[str, Any]) -> None:
    value = [{"number 1": 2, "number 3": 6}, 6, [111, 112]]
    assert told["on_real_values"]["value"] == told["plain"][1] == value


def test_a_sublattice_that_cannot_be_built_fails_its_node_with_the_users_traceback(told: dict[str, Any]) -> None:
    nodes = {name: (status, error) for name, status, error, _ in told["failing"]["nodes"]}
    status, error = nodes["fails_while_it_is_built"]
    assert status == "FAILED"
    assert "LookupError: while building 1" in error
    assert "in fails_while_it_is_built" in error
    assert nodes["add"][0] == "NEW_OBJECT"


def test_a_failure_inside_fails_every_dispatch_above_and_says_where(told: dict[str, Any]) -> None:
    failing = told["failing"]
    nodes = {name: (status, error) for name, status, error, _ in failing["nodes"]}
    assert (failing["status"], failing["value"], nodes["first"][0]) == ("FAILED", None, "COMPLETED")
    assert nodes["fails_deep_inside"][0] == "FAILED"
    for text in (nodes["fails_deep_inside"][1], failing["error"]):
        assert "LookupError: inside" in text
        assert "fail(1)" in text
    below = [each for each in _all(failing)[1:] if each["status"] == "FAILED"]
    assert [[(name, status) for name, status, *_ in each["nodes"]] for each in below] == [
        [("fails_inside", "FAILED")],
        [("add", "COMPLETED"), ("fail", "FAILED"), ("add", "NEW_OBJECT")],
    ]


def test_what_a_sublattice_leaves_open_is_filled_from_its_parent(told: dict[str, Any]) -> None:
    filled = told["filled"]
    assert filled["value"] == [["of the parent", "of the parent!"], "its own"]
    leaves_open, says_itself = filled["below"]
    assert [stdout for name, _, _, stdout in leaves_open["nodes"] if name == "where"] == [
        "parent's before\ngreen\n"
    ] * 2
    assert [stdout for name, _, _, stdout in says_itself["nodes"]] == ["green\n"]
    assert {name: stdout for name, _, _, stdout in filled["nodes"]}["says_itself"] == "builder\n"


def test_a_sublattice_may_return_a_constant(told: dict[str, Any]) -> None:
    assert told["constants"]["value"] == [1, {"a": 1}]
    assert [each["nodes"] for each in told["constants"]["below"]] == [[], []]


def test_the_server_sees_of_a_sublattice_nothing_but_json(told: dict[str, Any], user: Project) -> None:
    below = told["nested"]["below"][0]
    manifest = json.loads(user.installation.request("GET", f"/api/v1/dispatches/{below['id']}/manifest").body)
    assert [node["name"] for node in manifest["graph"]["nodes"]] == ["add", "second"]
    about = user.installation.request("GET", "/api/v1/server").plain
    assert (about["guard"], about["refusals"]) == ("armed", 0)
    assert "Traceback" not in user.installation.log()
