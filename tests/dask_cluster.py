"""A Dask cluster as its users start one: a scheduler and workers, each a process of its own, on free ports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.installation import wait_until

_DASK = str(Path(sys.executable).with_name("dask"))


class DaskCluster:
    """One scheduler and its workers, of one thread each."""

    def __init__(self, directory: Path, workers: int = 2, **environ: str) -> None:
        """``environ`` are more variables of its processes."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._count = workers
        self._environ = environ
        self._file = directory / "scheduler.json"
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self._file)
        )
        wait_until(self._file.exists, "the Dask scheduler")
        for _ in range(self._count):
            self.add_worker()
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self.workers, self.scheduler):
            if process is not None:
                process.send_signal(signal.SIGKILL)
                process.wait()

    @property
    def address(self) -> str:
        """Where the scheduler is."""
        return str(json.loads(self._file.read_text())["address"])

    def add_worker(self) -> None:
        """Start one more worker."""
        arguments = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--scheduler-file", str(self._file))
        self.workers.append(self._start("worker", *arguments, "--local-directory", str(self._directory)))

    def kill_worker_of(self, pid: int) -> None:
        """Kill the worker below which a process is."""
        numbers = {worker.pid: worker for worker in self.workers}
        while pid not in numbers:
            pid = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
        numbers[pid].kill()
        numbers[pid].wait()

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._directory / f"{arguments[0]}.log").open("ab") as log:
            environ = {name: value for name, value in os.environ.items() if not name.startswith("COVALENT_")}
            return subprocess.Popen(
                [_DASK, *arguments],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ | {"COVALENT_CACHE_DIR": str(self._directory / "cache")} | self._environ,
            )
