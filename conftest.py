"""The examples in the documentation are tests: every Python block is run, those of a page one after the other.

A page whose blocks need a server says so above them, with a line ``% server`` (``<!-- server -->`` in README.md). One
server serves all pages; it is started by the first that says so.
"""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.integration.pytest import SybilItem
from sybil.parsers.abstract.lexers import LexerCollection
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser
from sybil.parsers.myst.lexers import DirectiveInPercentCommentLexer

from tests.installation import Installation

_WORD = "server"
_ROOT = Path(__file__).parent
#: By name, since ``**`` in a pattern of Sybil's stands for a single directory, and leaves out what lies deeper.
_PAGES = ["README.md", *(str(path.relative_to(_ROOT)) for path in sorted((_ROOT / "docs").rglob("*.md")))]
_LEXERS = LexerCollection([DirectiveInPercentCommentLexer(_WORD), DirectiveInHTMLCommentLexer(_WORD)])
#: Where scripts look for a server, its token and their settings.
_VARIABLES = ("COVALENT_SERVER_URL", "COVALENT_CONFIG_DIR", "COVALENT_CACHE_DIR", "COVALENT_DATA_DIR")


def needing_a_server(document: Document) -> Iterable[Region]:
    """Find the line by which a page says that it needs a server."""
    return [Region(lexed.start, lexed.end, None, _reach) for lexed in _LEXERS(document)]


def _reach(example: Example) -> None:
    example.namespace[reach_server.__name__]()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser(), needing_a_server],
    patterns=_PAGES,
    setup=lambda namespace: namespace.update(__name__="documentation"),
    fixtures=["reach_server"],
).pytest()


@pytest.fixture(scope="session")
def documentation_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Installation]]:
    """Gives the one server of all pages, which is started when it is first asked for."""
    with ExitStack() as stack:
        yield functools.cache(lambda: stack.enter_context(Installation(tmp_path_factory.mktemp("documentation"))))


@pytest.fixture(scope="module")
def reach_server(
    tmp_path_factory: pytest.TempPathFactory, documentation_server: Callable[[], Installation]
) -> Iterator[Callable[[], None]]:
    """Lets the blocks of a page find the server. Whether they need it or not, they run in an empty directory."""
    with pytest.MonkeyPatch.context() as surroundings:
        surroundings.chdir(tmp_path_factory.mktemp("page"))

        def reach() -> None:
            environ = documentation_server().environ
            for name in _VARIABLES:
                surroundings.setenv(name, environ[name])
            surroundings.delenv("COVALENT_API_TOKEN", raising=False)

        yield reach


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the examples last and in the order of reading: a page's blocks build on each other, unlike tests."""
    examples = [item for item in items if isinstance(item, SybilItem)]
    examples.sort(key=lambda item: (str(item.path), item.example.line))
    items[:] = [*(item for item in items if not isinstance(item, SybilItem)), *examples]


def pytest_configure() -> None:
    """Let the programs that tests start be interrupted: a shell's background job, and all below it, ignore that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
