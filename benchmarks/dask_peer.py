"""Dask distributed: a scheduler, and as many single-threaded worker processes as our server runs tasks at once."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

from benchmarks.environments import PROBES, ROOT, BenchError, Environments, clean_environ

_PATIENCE: Final = 30.0


class Dask:
    """A local cluster that scripts connect to."""

    name = "dask"
    module = "distributed"
    use = "from distributed import Client; Client.submit, Client.map"
    workloads = ROOT / "benchmarks" / "workloads" / "dask"

    def __init__(self, environments: Environments, log: Path) -> None:
        self.client = environments.peer
        self._log = log
        self._cluster: subprocess.Popen[str] | None = None
        self._told: dict[str, str] = {}

    def start(self) -> None:
        """Start the cluster, and wait for its workers."""
        command = [str(self.client), str(PROBES / "cluster.py")]
        with self._log.open("a", encoding="utf-8") as log:
            self._cluster = subprocess.Popen(
                command, env=clean_environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        line = self._cluster.stdout.readline() if self._cluster.stdout else ""
        if not line:
            raise BenchError(f"Dask did not start; see {self._log}")
        self._told = json.loads(line)

    def stop(self) -> None:
        """Close the cluster's stdin, and kill it if that does not end it."""
        if self._cluster is None:
            return
        try:
            self._cluster.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self._cluster.kill()
            self._cluster.communicate()
        self._cluster = None

    @property
    def pid(self) -> int:
        """The scheduler."""
        return int(self._told["pid"])

    @property
    def environ(self) -> dict[str, str]:
        """The scheduler's address."""
        return clean_environ() | {"DASK_ADDRESS": self._told["address"]}
