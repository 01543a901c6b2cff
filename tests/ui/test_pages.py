"""Every page in both themes and at several widths: it comes without a complaint, and keeps nobody out."""

from __future__ import annotations

import pytest

from tests.installation import Installation
from tests.ui.conftest import Visit
from tests.ui.pages import places
from tests.ui.visitor import Theme
from tests.ui.workflows import Dispatched

Shared = tuple[Installation, Dispatched]

#: A browser on a machine that is busy with other tests takes its time.
pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_keeps_nobody_out(theme: Theme, shared: Shared, visit: Visit, axe_script: str) -> None:
    installation, found = shared
    visitor = visit(installation, theme=theme)
    visitor.sign_in()
    violations = {}
    for name, place in places(found).items():
        visitor.open(place.address, place.heading)
        violations[name] = visitor.violations(axe_script)
    assert violations == {name: [] for name in violations}
    assert visitor.complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_signing_in_keeps_nobody_out(theme: Theme, shared: Shared, visit: Visit, axe_script: str) -> None:
    visitor = visit(shared[0], theme=theme)
    visitor.open("/dispatches", "Sign in to Covalent")
    assert visitor.violations(axe_script) == []
    visitor.page.get_by_label("Token").fill("not a token")
    visitor.page.keyboard.press("Enter")
    visitor.page.get_by_role("alert").wait_for()
    assert visitor.violations(axe_script) == []


# 640 pixels are what is left of 1280 at a zoom of 200 %.
@pytest.mark.parametrize(("width", "height"), [(400, 800), (640, 400), (1280, 800)])
def test_no_page_is_wider_than_the_screen(width: int, height: int, shared: Shared, visit: Visit) -> None:
    installation, found = shared
    visitor = visit(installation, width=width, height=height)
    visitor.sign_in()
    sticking_out = {}
    for name, place in places(found).items():
        visitor.open(place.address, place.heading)
        sticking_out[name] = visitor.page.evaluate(
            """() => {
              const main = document.querySelector("main");
              return Math.max(document.documentElement.scrollWidth - innerWidth, main.scrollWidth - main.clientWidth);
            }"""
        )
    assert sticking_out == dict.fromkeys(sticking_out, 0)


def test_a_server_without_dispatches_says_how_to_begin(
    installation: Installation, visit: Visit, axe_script: str
) -> None:
    visitor = visit(installation)
    visitor.sign_in()
    visitor.page.get_by_text("Nothing has been dispatched yet").wait_for()
    assert visitor.violations(axe_script) == []
    for address, words in [("/dispatches", "Nothing has been dispatched yet"), ("/triggers", "No triggers")]:
        visitor.open(address)
        visitor.page.get_by_text(words).wait_for()
        assert visitor.violations(axe_script) == []
    assert visitor.complaints == []
