"""Take the pictures of every page for the documentation: ``nox -s screenshots``; words after ``--`` name some pages."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from playwright.sync_api import sync_playwright

from covalent.wire.places import host_identity
from tests.acceptance.programs import Project
from tests.components import CHROMIUM
from tests.installation import Installation
from tests.ui.pages import places
from tests.ui.visitor import Theme, Visitor, launch
from tests.ui.workflows import dispatch_all

if TYPE_CHECKING:
    from playwright.sync_api import Route

PICTURES: Final = Path(__file__).parents[2] / "docs" / "how-to" / "page"
THEMES: Final[tuple[Theme, ...]] = ("light", "dark")
SIZES: Final = ((1280, 800), (400, 800))


def main(names: list[str]) -> None:
    """Take them all, or those of the pages that are named."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        browser = launch(playwright, CHROMIUM)
        home = Path(directory)
        with Installation(home / "server") as installation:
            found = dispatch_all(Project(home / "project", installation))
            for theme in THEMES:
                for width, height in SIZES:
                    visitor = Visitor(browser, installation, theme=theme, width=width, height=height)
                    visitor.page.route("**/api/v1/**", lambda route: _without_this_machine(route, home))
                    end = f"{theme}-{width}.png"
                    if not names or "sign-in" in names:
                        visitor.open("/", "Sign in to Covalent")
                        visitor.page.screenshot(path=PICTURES / f"sign-in-{end}")
                    visitor.sign_in()
                    for name, place in places(found).items():
                        if not names or name in names:
                            visitor.open(place.address, place.heading)
                            visitor.page.screenshot(path=PICTURES / f"{name}-{end}")
                    visitor.close()
        browser.close()


def _without_this_machine(route: Route, home: Path) -> None:
    """Answer as the server does, but for the names of the machine and the directories that pictures are taken in."""
    if "events/stream" in route.request.url:
        route.continue_()
        return
    response = route.fetch()
    text = response.body()
    for here, shown in ((str(home), "/home/user"), (sys.prefix, "/opt/science"), (host_identity(), "laboratory")):
        text = text.replace(here.encode(), shown.encode())
    route.fulfill(response=response, body=text)


if __name__ == "__main__":
    main(sys.argv[1:])
