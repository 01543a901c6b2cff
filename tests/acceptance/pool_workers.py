"""Workers that a user starts for a pool, from an environment that has the SDK alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.installation import PATIENCE, Installation


class PoolWorker:
    """A worker's process."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ended(self) -> int:
        """Its exit code, once it has left."""
        return self._process.wait(PATIENCE)

    def log(self) -> str:
        return self._log.read_text(errors="replace")


def environ_of(installation: Installation, home: Path, **more: str) -> dict[str, str]:
    """The variables of a worker's account, on a machine that knows nothing of the server's."""
    known = {name: value for name, value in installation.environ.items() if not name.startswith("COVALENT_")}
    places = {f"COVALENT_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "CACHE", "DATA")}
    return known | {"HOME": str(home)} | places | more


@contextmanager
def pool_worker(
    python: str, arguments: Sequence[str], environ: dict[str, str], log: Path, prefix: Sequence[str] = ()
) -> Iterator[PoolWorker]:
    """A worker while a test needs it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        process = subprocess.Popen(
            [*prefix, python, "-P", "-m", "covalent.worker", *arguments],
            env=environ,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
        )
    try:
        yield PoolWorker(process, log)
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                os.kill(process.pid, number)
        process.wait(PATIENCE)


def token_file(installation: Installation, pool: str, file: Path) -> str:
    """A new token for a pool, in a file; its id."""
    file.parent.mkdir(parents=True, exist_ok=True)
    told = installation.command("token", "create", "--pool", pool, "--output", str(file), "--json")
    return str(json.loads(told.stdout)["id"])
