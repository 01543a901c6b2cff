"""One browser, and one server with something of every kind on it, for all tests that only look."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.programs import Project
from tests.components import CHROMIUM, lacking
from tests.installation import Installation
from tests.ui.visitor import Visitor, axe, launch
from tests.ui.workflows import Dispatched, dispatch_all

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    if importlib.util.find_spec("playwright") is None:
        lacking("playwright is missing; get it: uv sync --group page")
    from playwright.sync_api import sync_playwright  # there only where the group is

    with sync_playwright() as playwright:
        started = launch(playwright, CHROMIUM)
        yield started
        started.close()


@pytest.fixture(scope="session")
def axe_script() -> str:
    """The rules of axe-core."""
    return axe()


@pytest.fixture(scope="session")
def shared(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Dispatched]]:
    """A server that has something of every kind, and what there is; nobody may harm it."""
    del browser  # without one nothing has to be dispatched
    directory = tmp_path_factory.mktemp("page")
    with Installation(directory / "server") as installation:
        yield installation, dispatch_all(Project(directory / "project", installation))


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Make visitors, who leave with the test."""
    with ExitStack() as stack:

        def make(installation: Installation, **how: Any) -> Visitor:
            visitor = Visitor(browser, installation, **how)
            stack.callback(visitor.close)
            return visitor

        yield make


@pytest.fixture
def installation(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A server for one test alone."""
    del browser  # without one there is no need for it
    with Installation(tmp_path_factory.mktemp("own")) as installation:
        yield installation
