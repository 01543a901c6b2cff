"""A worker process against a server in memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.worker.fake_server import DEADLINE, TOKEN, FakeServer


class Workers:
    """Starts workers, and ends those that a test leaves behind."""

    def __init__(self, fake: FakeServer, directory: Path) -> None:
        self.fake = fake
        self.directory = directory / "home"
        self._token = directory / "token"
        self._token.write_text(TOKEN)
        self._started: list[subprocess.Popen[bytes]] = []

    def start(
        self, *, slots: int = 2, environ: dict[str, str] | None = None, wait: bool = True
    ) -> subprocess.Popen[bytes]:
        count = len(self.fake.hellos)
        process = self.run(self.command(slots=slots), environ=environ)
        if wait:
            self.fake.wait(lambda: len(self.fake.hellos) > count, "the worker's introduction")
        return process

    def command(self, *, slots: int) -> list[str]:
        command = [sys.executable, "-P", "-m", "covalent.worker", "--server", self.fake.url, "--pool", "local"]
        return [*command, "--slots", str(slots), "--token-file", str(self._token), "--directory", str(self.directory)]

    def run(self, command: list[str], *, environ: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        own = {"COVALENT_CACHE_DIR": str(self.directory.with_name("cache"))}
        process = subprocess.Popen(command, env={**os.environ, **own, **(environ or {})}, start_new_session=True)
        self._started.append(process)
        return process

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.wait(DEADLINE)


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    server = FakeServer()
    yield server
    server.close()


@pytest.fixture
def workers(fake: FakeServer, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(fake, tmp_path)
    yield made
    made.end()


@pytest.fixture
def worker(workers: Workers) -> subprocess.Popen[bytes]:
    return workers.start()


def eventually(fact: Callable[[], object]) -> None:
    """Wait until something holds that nobody tells of."""
    end = time.monotonic() + DEADLINE
    while not fact():
        assert time.monotonic() < end, f"not within {DEADLINE} s"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in b"ZX"
    except (FileNotFoundError, ProcessLookupError):  # the latter when it goes between opening and reading
        return False


def parent(pid: int) -> int:
    """The parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
