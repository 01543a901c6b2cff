"""Redispatch: the same again, with other electrons, with other arguments, or only what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.programs import Project
from tests.installation import Installation

_WORKFLOW = """
import os

import covalent as ct


def note(line):
    with open(os.path.join(os.path.dirname(__file__), JOURNAL), "a") as file:
        file.write(line + "\\n")


JOURNAL = os.path.abspath("journal")


@ct.electron
def load(n):
    note("load")
    return list(range(n))


@ct.electron
def scale(values, by=10):
    note("scale")
    return [value * by for value in values]


@ct.electron
def other(n):
    note("other")
    return n


@ct.electron
def save(values, path):
    note("save")
    if not os.path.isdir(path):
        raise LookupError("there is no directory " + path)
    return sum(values)


@ct.electron
@ct.lattice
def inner(values):
    return other(len(values))


@ct.electron
@ct.lattice
def breaks(values, path):
    return save(values, path)


@ct.lattice
def with_sublattices(n, path):
    values = load(n)
    return inner(values), breaks(values, path)


@ct.lattice
def workflow(n, *, path):
    return save(scale(load(n)), path), other(n)
"""

_SCRIPT = """
import os

import science
from science import JOURNAL, workflow


def ran():
    with open(JOURNAL, "r+") as file:
        lines = sorted(file.read().splitlines())
        file.truncate(0)
    return lines


def end(dispatch_id):
    result = ct.get_result(dispatch_id, wait=True)
    times = {node["node_name"]: node["start_time"] == node["end_time"] for node in result.get_all_node_results()}
    return {
        "id": dispatch_id, "status": result.status, "value": result.result, "error": result.error, "ran": ran(),
        "skipped": sorted(name for name, same in times.items() if same), "root": result.root_dispatch_id,
        "inputs": result.inputs.get_deserialized(),
    }


@ct.electron
def scale_by_two(values, by=2):
    science.note("scale by two")
    return [value * by for value in values]


@ct.electron
def scale_without_default(values, by):
    return values


path = os.path.abspath("made later")
first = facts["first"] = end(ct.dispatch(workflow)(4, path=path))
os.mkdir(path)
facts["from failure"] = end(ct.redispatch(first["id"], reuse_previous_results=True)())
whole = facts["from failure"]["id"]
facts["again"] = end(ct.redispatch(whole)())
facts["replaced"] = end(
    ct.redispatch(whole, replace_electrons={"scale": scale_by_two}, reuse_previous_results=True)()
)
facts["other arguments"] = end(ct.redispatch(whole, reuse_previous_results=True)(5, path=path))
facts["same arguments"] = end(ct.redispatch(first["id"], reuse_previous_results=True)(4, path=path))
path = os.path.abspath("made even later")
nested = facts["nested"] = end(ct.dispatch(science.with_sublattices)(3, path))
os.mkdir(path)
facts["nested again"] = end(ct.redispatch(nested["id"], reuse_previous_results=True)())
facts["nested replaced"] = end(
    ct.redispatch(facts["nested again"]["id"], replace_electrons={"inner": len}, reuse_previous_results=True)()
)
inside = ct.redispatch(nested["id"], replace_electrons={"save": science.save})
result = ct.get_result(first["id"])
facts["first afterwards"] = [result.status, result.error == first["error"], len(result.get_all_node_results())]
facts["errors"] = [
    raised(ct.redispatch(first["id"], replace_electrons={"scale": scale_without_default})),
    raised(ct.redispatch(first["id"], replace_electrons={"no_such": scale_by_two})),
    raised(ct.redispatch, first["id"], replace_electrons=[scale_by_two]),
    raised(ct.redispatch("no-such-dispatch")),
    raised(inside),
]
"""


@pytest.fixture(scope="module")
def told(user: Project) -> dict[str, Any]:
    user.write("science.py", f"{_WORKFLOW}\n\nJOURNAL = {str(user.directory / 'journal')!r}\n")
    return user.facts(_SCRIPT)


def test_after_a_failure_only_what_is_missing_runs(told: dict[str, Any]) -> None:
    assert (told["first"]["status"], told["first"]["ran"]) == ("FAILED", ["load", "other", "save", "scale"])
    again = told["from failure"]
    assert (again["status"], again["value"], again["ran"]) == ("COMPLETED", [60, 4], ["save"])
    assert again["skipped"] == ["load", "other", "scale"]


def test_without_reuse_everything_runs_with_the_old_arguments_keyword_ones_too(told: dict[str, Any]) -> None:
    again = told["again"]
    assert (again["value"], again["ran"]) == ([60, 4], ["load", "other", "save", "scale"])
    assert again["inputs"] == told["first"]["inputs"]
    assert (again["skipped"], again["root"]) == ([], again["id"])


def test_a_replaced_electron_and_what_needs_it_run_again_the_others_do_not(told: dict[str, Any]) -> None:
    replaced = told["replaced"]
    assert (replaced["value"], replaced["ran"]) == ([12, 4], ["save", "scale by two"])
    assert replaced["skipped"] == ["load", "other"]


def test_other_arguments_run_what_depends_on_them(told: dict[str, Any]) -> None:
    assert (told["other arguments"]["value"], told["other arguments"]["skipped"]) == ([100, 5], [])
    assert told["same arguments"]["value"] == [60, 4]
    assert told["same arguments"]["skipped"] == ["load", "other", "scale"]


def test_a_sublattice_is_reused_built_again_or_replaced_as_a_whole(told: dict[str, Any]) -> None:
    assert (told["nested"]["status"], told["nested"]["ran"]) == ("FAILED", ["load", "other", "save"])
    again, replaced = told["nested again"], told["nested replaced"]
    assert (again["value"], again["ran"], again["skipped"]) == ([3, 3], ["save"], ["inner", "load"])
    assert (replaced["value"], replaced["ran"], replaced["skipped"]) == ([3, 3], [], ["breaks", "load"])


def test_the_original_is_never_touched(told: dict[str, Any]) -> None:
    assert told["first afterwards"] == ["FAILED", True, 5]


def test_mistakes_are_told_in_the_client(told: dict[str, Any]) -> None:
    signature, unknown, listed, missing, inside = told["errors"]
    assert signature.startswith("ArgumentsError: scale(1) cannot be replaced by scale_without_default")
    assert "Missing arguments: by" in signature
    assert "has no electron 'no_such' to replace; it has: load, other, save, scale" in unknown
    assert listed.startswith("TypeError: replace_electrons is a dict")
    assert missing.startswith("MissingLatticeRecordError: ")
    assert "electrons inside a sublattice (breaks, inner) are replaced by replacing the whole sublattice" in inside


def test_whoever_lacks_the_workflows_modules_can_run_it_again(
    told: dict[str, Any], tmp_path: Any, shared_installation: Installation, client_python: str
) -> None:
    elsewhere = Project(tmp_path / "elsewhere", shared_installation, client_python)
    found = elsewhere.facts(
        f"""
        dispatch_id = ct.redispatch({told["from failure"]["id"]!r}, reuse_previous_results=True)()
        facts["value"] = ct.get_result(dispatch_id, wait=True).result
        facts["other"] = raised(ct.redispatch(dispatch_id), 5, path="x")
        """
    )
    assert found["value"] == [60, 4]
    assert found["other"].startswith("TransportError: science:workflow cannot be imported here, by ")
