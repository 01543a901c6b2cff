"""A server that lives as long as a ``with`` block and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from covalent import server_command
from covalent.connection import connect
from covalent.errors import ServerCommandError

#: Variables that begin so tell a script or a server where to find each other.
_OURS: Final = "COVALENT_"
#: Seconds that the server may take to end before it is killed.
_PATIENCE: Final = "20"
_only_one = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrowAwayServer:
    """A server for tests."""

    url: str
    token: str = field(repr=False)
    #: All that it keeps: data, settings, logs. Removed with it.
    directory: Path

    def log(self) -> str:
        """What the server has written so far, to be shown when a test fails."""
        return (self.directory / "data" / "logs" / "server.log").read_text(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def server() -> Iterator[ThrowAwayServer]:
    """A throw-away server: ``with ct.testing.server(): ct.dispatch_sync(workflow)(3).raise_for_status()``.

    It has a free port, a token and directories of its own, and knows nothing of your settings. While the block runs,
    ``ct.dispatch`` and all else of this process and of those that it starts use that server: the variables
    ``COVALENT_*`` lead there and are put back at the end. Results fetch from it, so look at them inside the block.
    At the end, also after an error, the server and its workers are stopped and everything of theirs is removed.

    A process has one of them at a time, since its variables lead to one: start it once for a whole run of tests.
    Needs ``covalent-server`` in this environment; raises ServerCommandError when it is missing, when the server
    cannot start, or when there is one already.
    """
    server_command.check_installed()
    if not _only_one.acquire(blocking=False):
        raise ServerCommandError(
            "this process has a ct.testing.server() already, and all its dispatches go there; share that one, "
            "for example in a fixture of pytest with scope='session'"
        )
    try:
        with TemporaryDirectory(prefix="covalent-testing-", ignore_cleanup_errors=True) as name:
            yield from _served(Path(name))
    finally:
        _only_one.release()


def _served(directory: Path) -> Iterator[ThrowAwayServer]:
    places = {f"{_OURS}{kind.upper()}_DIR": str(directory / kind) for kind in ("config", "data", "cache")}
    others = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    environ = {**others, **places, f"{_OURS}SVC_PORT": "0"}
    try:
        told = server_command.run("start", environ=environ)
        token = Path(told["token_file"]).read_text(encoding="ascii").strip()
        with _variables({**places, f"{_OURS}SERVER_URL": told["url"], f"{_OURS}API_TOKEN": token}):
            try:
                yield ThrowAwayServer(url=told["url"], token=token, directory=directory)
            finally:
                connect().close()
    finally:
        server_command.run("stop", "--timeout", _PATIENCE, environ=environ)


@contextlib.contextmanager
def _variables(wanted: Mapping[str, str]) -> Iterator[None]:
    """These variables of ours and no others, until they are put back."""
    before = _take()
    os.environ.update(wanted)
    try:
        yield
    finally:
        _take()
        os.environ.update(before)


def _take() -> dict[str, str]:
    return {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(_OURS)}
