"""Ways through the page that people go: with the keyboard alone, while things happen, while the server is away."""

from __future__ import annotations

import re

import pytest

from tests.acceptance.programs import Project
from tests.installation import Installation
from tests.ui.conftest import Visit
from tests.ui.visitor import Visitor
from tests.ui.workflows import Dispatched

Shared = tuple[Installation, Dispatched]

#: A browser on a machine that is busy with other tests takes its time.
pytestmark = pytest.mark.timeout(300)

_FAILS_AT_THE_GATE = """
import os
import time


@ct.electron
def before(gate):
    print("before the gate", flush=True)
    while not os.path.exists(gate):
        time.sleep(0.02)
    raise RuntimeError("the gate is open")


@ct.electron
def after(value):
    return value


@ct.lattice
def passing(gate):
    return after(before(gate))


facts["id"] = ct.dispatch(passing)(GATE)
"""


def _dispatch_at_a_gate(project: Project) -> str:
    gate = project.directory / "gate"
    found: str = project.facts(_FAILS_AT_THE_GATE.replace("GATE", repr(str(gate))))["id"]
    return found


def _focused(visitor: Visitor) -> str:
    name: str = visitor.page.evaluate(
        """() => {
          const element = document.activeElement;
          const named = element.getAttribute("aria-label") || element.labels?.[0]?.textContent;
          return (named || element.textContent).trim();
        }"""
    )
    return name


def _tab_to(visitor: Visitor, name: str) -> None:
    """Press Tab until something of that name has the focus."""
    seen = []
    for _ in range(60):
        visitor.page.keyboard.press("Tab")
        seen.append(_focused(visitor)[:60])
        if seen[-1] == name:
            return
    raise AssertionError(f"Tab does not lead to {name!r}, but to {seen}")


def test_the_keyboard_alone_leads_from_signing_in_to_a_traceback(shared: Shared, visit: Visit) -> None:
    installation, found = shared
    visitor = visit(installation)
    page = visitor.page
    visitor.open("/dispatches", "Sign in to Covalent")
    page.keyboard.type(installation.token)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Dispatches").wait_for()
    visitor.settle()

    _tab_to(visitor, "Dispatches")
    _tab_to(visitor, "Find by name, id or tag")
    page.keyboard.type(found.study)  # another test may have had it run again, under the same name
    page.wait_for_url(f"**/dispatches?text={found.study}")
    page.get_by_role("row").filter(has_text="at_the_gate").wait_for(state="detached")
    visitor.settle()
    _tab_to(visitor, "Dispatches")  # the table
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/dispatches/{found.study}")
    page.get_by_role("heading", name="equation_of_state").wait_for()

    _tab_to(visitor, "Tasks")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks")
    visitor.settle()
    _tab_to(visitor, "Tasks")  # the table
    page.keyboard.type("relax")
    for _ in range(found.failed_task - 1):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    traceback = page.get_by_label("Traceback", exact=True)
    traceback.wait_for()
    assert "ValueError: no minimum within 400 steps at a volume of 41.0" in traceback.inner_text()

    page.keyboard.press("Escape")
    traceback.wait_for(state="detached")
    page.get_by_role("grid", name="Tasks").and_(page.locator(":focus")).wait_for()
    assert visitor.complaints == []


def test_a_dispatch_that_fails_is_watched_to_its_end_without_reloading(
    installation: Installation, visit: Visit
) -> None:
    project = Project(installation.root / "project", installation)
    dispatch_id = _dispatch_at_a_gate(project)
    visitor = visit(installation)
    visitor.sign_in()
    visitor.open(f"/dispatches/{dispatch_id}/graph/0", "passing")
    page = visitor.page
    page.evaluate("window.sameDocument = true")
    page.get_by_role("log").filter(has_text="before the gate").wait_for()
    (project.directory / "gate").touch()
    page.get_by_label("Traceback", exact=True).filter(has_text="RuntimeError: the gate is open").wait_for()
    page.locator(".dispatch-title .badge", has_text="Failed").wait_for()
    page.get_by_text("1 failed", exact=False).first.wait_for()
    assert page.evaluate("window.sameDocument") is True
    assert visitor.complaints == []


def test_a_server_that_is_killed_and_comes_back_is_found_again(installation: Installation, visit: Visit) -> None:
    project = Project(installation.root / "project", installation)
    dispatch_id = _dispatch_at_a_gate(project)
    visitor = visit(installation)
    visitor.sign_in()
    visitor.open(f"/dispatches/{dispatch_id}", "passing")
    page = visitor.page
    page.get_by_text("Live", exact=True).wait_for()
    page.evaluate("window.sameDocument = true")
    installation.kill()
    page.get_by_text(re.compile("The server does not answer")).wait_for()
    installation.start()
    page.get_by_text("Live", exact=True).wait_for()
    (project.directory / "gate").touch()
    page.locator(".dispatch-title .badge", has_text="Failed").wait_for()
    assert page.evaluate("window.sameDocument") is True


def test_what_is_looked_for_is_in_the_address(shared: Shared, visit: Visit) -> None:
    installation, _ = shared
    visitor = visit(installation)
    visitor.sign_in()
    visitor.open("/dispatches?status=FAILED&tag=silicon", "Dispatches")
    rows = visitor.page.get_by_role("grid", name="Dispatches").get_by_role("row")
    assert [row for row in rows.all_inner_texts() if "equation_of_state" in row]
    assert not [row for row in rows.all_inner_texts() if "monte_carlo" in row]
    visitor.page.get_by_label("Status").select_option("COMPLETED")
    visitor.page.wait_for_url("**/dispatches?tag=silicon&status=COMPLETED")
    visitor.page.get_by_text("No dispatch is like that").wait_for()


def test_the_outline_has_what_the_picture_shows(shared: Shared, visit: Visit) -> None:
    installation, found = shared
    visitor = visit(installation)
    visitor.sign_in()
    visitor.open(f"/dispatches/{found.sweep}", "monte_carlo")
    outline = visitor.page.get_by_role("treegrid", name="Outline of the graph")
    group = outline.get_by_role("row").filter(has_text=re.compile("simulate . 60"))
    group.wait_for()
    outline.focus()
    visitor.page.keyboard.type("sim")
    visitor.page.keyboard.press("ArrowRight")
    outline.get_by_role("row").filter(has_text="simulate(0)").wait_for()
    visitor.page.keyboard.press("End")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_url(f"**/dispatches/{found.sweep}/graph/60")
    visitor.page.get_by_role("heading", name="average").wait_for()
    assert visitor.page.get_by_role("img", name=re.compile("Graph of 61 tasks")).count() == 1


def test_a_session_for_reading_offers_nothing_to_change(shared: Shared, visit: Visit) -> None:
    installation, found = shared
    visitor = visit(installation)
    visitor.sign_in(read_only=True)
    visitor.open(f"/dispatches/{found.study}", "equation_of_state")
    names = visitor.page.get_by_role("button").all_inner_texts()
    assert not [name for name in names if "again" in name or "Run" in name or "Cancel" in name]


def test_a_dispatch_that_failed_runs_again_from_where_it_failed(shared: Shared, visit: Visit) -> None:
    installation, found = shared
    visitor = visit(installation)
    visitor.sign_in()
    visitor.open(f"/dispatches/{found.study}", "equation_of_state")
    visitor.page.get_by_role("button", name="Run from where it failed").click()
    visitor.page.wait_for_url(lambda url: found.study not in url)
    visitor.page.get_by_role("heading", name="equation_of_state").wait_for()
    visitor.page.get_by_text("Repeats").wait_for()
