"""Somebody who looks at the page: a browser's page, with what its console and its policy had to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from tests.components import Program, found, lacking
from tests.installation import PATIENCE, Installation

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

SOURCE: Final = Path(__file__).parents[2] / "packages" / "covalent-server" / "ui"
AXE: Final = SOURCE / "node_modules" / "axe-core" / "axe.min.js"

Theme = Literal["light", "dark"]


def launch(playwright: Playwright, chromium: Program) -> Browser:
    """The machine's Chromium; the test is skipped where there is none."""
    # Its sandbox wants what containers do not give; what it looks at here is ours alone.
    return playwright.chromium.launch(executable_path=str(found(chromium)), args=["--no-sandbox"])


def axe() -> str:
    """The script that looks for what keeps people out."""
    if not AXE.exists():
        lacking("axe-core is missing; get it: npm ci --ignore-scripts --prefix packages/covalent-server/ui")
    return AXE.read_text(encoding="utf-8")


class Visitor:
    """A browser's page at a server."""

    def __init__(
        self,
        browser: Browser,
        installation: Installation,
        *,
        theme: Theme = "light",
        width: int = 1280,
        height: int = 800,
    ) -> None:
        self.installation = installation
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            reduced_motion="reduce",
            base_url=installation.url,
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE * 1000)
        #: What the console showed that should not be there: errors, refused scripts.
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self._hear(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, kind: str, text: str) -> None:
        # A browser writes every answer that is no success to the console by itself.
        if kind == "error" and not text.startswith("Failed to load resource"):
            self.complaints.append(text)

    def sign_in(self, *, read_only: bool = False) -> None:
        """Follow the link that ``covalent open`` gives."""
        command = ("open", "--print", "--json", *(("--read-only",) if read_only else ()))
        told = json.loads(self.installation.command(*command).stdout)
        self.page.goto(told["url"].replace("127.0.0.1", "localhost"))
        self.page.get_by_role("heading", name="Home").wait_for()

    def open(self, address: str, heading: str = "") -> None:
        """Go to an address, and wait until the page shows what it has."""
        self.page.goto(address)
        if heading:
            self.page.get_by_role("heading", name=heading).first.wait_for()
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is being fetched for the page to show."""
        self.page.locator(".loading").first.wait_for(state="detached")
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def violations(self, script: str) -> list[str]:
        """What keeps people out of what is shown now, by axe-core's rules."""
        found: list[dict[str, Any]] = self.page.evaluate(
            f"{script}; axe.run().then((result) => result.violations)"  # its own script: the policy is the page's
        )
        return [f"{each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"]]

    def close(self) -> None:
        """Close the page and forget who looked."""
        self.context.close()
