"""Dispatches that are run again: from where they broke, with other electrons, arguments and modules, from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.acceptance.programs import Project

_ANALYSIS = """
import json
import sys

import covalent as ct


@ct.electron
def load(journal, count):
    with open(journal, "a") as file:
        file.write("load ")
    return list(range(count))


@ct.electron
def fit(values):
    raise ValueError("does not converge")


@ct.electron
def report(result, *, unit="m"):
    return f"{result} {unit}"


@ct.lattice
def workflow(journal, count=3):
    values = load(journal, count)
    return [report(fit(values), unit="s"), report(values[-1])]


@ct.electron
def better(numbers):
    return sum(numbers)


def tell(dispatch_id):
    result = ct.get_result(dispatch_id, wait=True)
    nodes = {f"{node['node_name']}({node['node_id']})": node for node in result.get_all_node_results()}
    print(json.dumps({
        "id": dispatch_id,
        "status": result.status,
        "value": result.result,
        "statuses": {name: node["status"] for name, node in nodes.items()},
        "skipped": [name for name, node in nodes.items() if node.start_time and node.start_time == node.end_time],
        "text": str(result),
    }))
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Where tasks leave a word when they run."""
    return tmp_path / "journal"


def _told(project: Project, text: str, **environ: str) -> list[Any]:
    """What a script tells, an object a line."""
    project.write("script.py", _ANALYSIS + dedent(text))
    done = project.attempt(**environ)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_after_a_failure_only_what_is_missing_runs(project: Project, journal: Path) -> None:
    first, second = _told(
        project,
        f"""
        first = ct.dispatch(workflow, tags=["trial"])({str(journal)!r})
        tell(first)
        tell(ct.redispatch(first, replace_electrons={{"fit": better}}, reuse_previous_results=True)())
        """,
    )
    assert (first["status"], second["status"]) == ("FAILED", "COMPLETED")
    assert second["value"] == ["3 s", "2 m"]
    assert journal.read_text() == "load "
    assert second["skipped"] == ["load(0)", "report(3)"]
    assert f"redispatch of: {first['id']}" in second["text"]
    assert "tags: trial" in second["text"]


def test_without_that_being_asked_for_everything_runs_again_and_the_original_stays(
    project: Project, journal: Path
) -> None:
    first, second, original = _told(
        project,
        f"""
        first = ct.dispatch(workflow)({str(journal)!r})
        tell(first)
        tell(ct.redispatch(first, replace_electrons={{"fit": better}})())
        tell(first)
        """,
    )
    assert second["status"] == "COMPLETED"
    assert journal.read_text() == "load load "
    assert second["skipped"] == []
    assert original == first


def test_other_arguments_run_the_workflow_function_again(project: Project, journal: Path) -> None:
    _, second, third = _told(
        project,
        f"""
        first = ct.dispatch(workflow)({str(journal)!r})
        tell(first)
        again = ct.redispatch(first, replace_electrons={{"fit": better}})
        tell(again({str(journal)!r}, count=5))
        tell(again(count=2, journal={str(journal)!r}))
        """,
    )
    assert (second["value"], third["value"]) == (["10 s", "4 m"], ["1 s", "1 m"])


def test_it_is_repeated_from_where_nothing_of_the_workflow_is_known(
    project: Project, journal: Path, tmp_path: Path
) -> None:
    project.write("steps.py", "def double(x):\n    return 2 * x\n")
    (first,) = _told(
        project,
        """
        import steps

        tell(ct.dispatch(ct.lattice(lambda x: [ct.electron(steps.double)(x)]))(21))
        """,
    )
    assert not journal.exists()
    elsewhere = Project(tmp_path / "elsewhere", project.installation)
    (second,) = _told(elsewhere, f"tell(ct.redispatch({first['id']!r})())")
    assert first["value"] == second["value"] == [42]
    elsewhere.write("script.py", f"import covalent as ct\nct.redispatch({first['id']!r})(4)\n")
    said = elsewhere.attempt().stderr
    assert "No module named 'steps'" in said
    assert "without arguments ct.redispatch opens nothing" in said


def test_an_edited_module_comes_along_with_the_electron_that_needs_it(project: Project, journal: Path) -> None:
    project.write("steps.py", "def load():\n    return [1, 2]\n\n\ndef fit(values):\n    return broken\n")
    workflow = "ct.lattice(lambda: ct.electron(steps.fit)(ct.electron(steps.load)()))"
    (first,) = _told(project, f"import steps\ntell(ct.dispatch({workflow})())")
    project.write("steps.py", "def load():\n    return [1, 2]\n\n\ndef fit(values):\n    return sum(values)\n")
    (second,) = _told(
        project,
        f"""
        import steps

        again = ct.redispatch({first["id"]!r}, replace_electrons={{"fit": steps.fit}}, reuse_previous_results=True)
        tell(again())
        """,
    )
    assert (first["status"], second["status"], second["value"]) == ("FAILED", "COMPLETED", 3)
    assert second["skipped"] == ["load(0)"]
    assert not journal.exists()


def test_a_registered_dispatch_starts_only_when_it_is_redispatched(project: Project, journal: Path) -> None:
    first, second, still = _told(
        project,
        f"""
        held = ct.dispatch(workflow, disable_run=True, name="registered")({str(journal)!r})
        print(json.dumps(ct.get_result(held, status_only=True)))
        tell(ct.redispatch(held, replace_electrons={{"fit": better}})())
        print(json.dumps(ct.get_result(held, status_only=True)))
        """,
    )
    assert first["status"] == still["status"] == "NEW_OBJECT"
    assert second["status"] == "COMPLETED"
    assert "workflow: registered" in second["text"]
    assert journal.read_text() == "load "


def test_what_cannot_be_replaced_is_told_before_anything_is_sent(project: Project, journal: Path) -> None:
    (first,) = _told(project, f"tell(ct.dispatch(workflow)({str(journal)!r}))")
    before = project.installation.request("GET", "/api/v1/dispatches").plain
    for replacement, told in (
        ("{'fitt': better}", "has no electron 'fitt' to replace; it has: fit, load, report"),
        ("{'fit': lambda: 1}", "fit(1) cannot be replaced by <lambda>: Too many positional arguments given"),
    ):
        project.write("script.py", f"{_ANALYSIS}\nct.redispatch({first['id']!r}, replace_electrons={replacement})()\n")
        assert told in project.attempt().stderr.splitlines()[-1]
    assert project.installation.request("GET", "/api/v1/dispatches").plain == before
