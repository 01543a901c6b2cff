"""A peer as a system that can be measured: its programs, run in its own environment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final

from benchmarks.environments import ROOT, BenchError, clean_environ
from benchmarks.peers import Facts
from benchmarks.peers.ready import STATE

_PATIENCE: Final = 30.0


class Peer:
    """What is known of a peer, with its interpreter and a directory for its files."""

    def __init__(self, facts: Facts, python: Path, state: Path) -> None:
        self.name = facts.name
        self.module = facts.module
        self.use = facts.use
        self.in_process = facts.in_process
        self.slow = facts.slow
        self.client = python
        self._state = state
        self._cluster: subprocess.Popen[str] | None = None
        self.pids: list[int] = []
        self._told: dict[str, str] = {}

    def start(self) -> None:
        """Start the peer from nothing, and wait until it says that it is ready."""
        shutil.rmtree(self._state, ignore_errors=True)
        self._state.mkdir(parents=True)
        log_path = self._state.with_suffix(".log")
        with log_path.open("a", encoding="utf-8") as log:
            self._cluster = subprocess.Popen(
                [str(self.client), "-m", f"benchmarks.peers.{self.name}.cluster"],
                cwd=ROOT,
                env=self.environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        line = self._cluster.stdout.readline() if self._cluster.stdout else ""
        if not line:
            raise BenchError(f"{self.name} did not start; see {log_path}")
        told = json.loads(line)
        self.pids, self._told = told["pids"], told["environ"]

    def stop(self) -> None:
        """Close its stdin, and kill it with all that it started if that does not end it."""
        cluster, self._cluster = self._cluster, None
        if cluster is None:
            return
        try:
            cluster.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(cluster.pid, signal.SIGKILL)
            cluster.communicate()

    @property
    def environ(self) -> dict[str, str]:
        """Its environment as if it were activated, and what it has told."""
        path = f"{self.client.parent}{os.pathsep}{os.environ['PATH']}"
        return clean_environ() | {"PATH": path, STATE: str(self._state)} | self._told

    def script(self, workload: str) -> list[str]:
        """Its tasks; all workloads are in one program."""
        return ["-m", f"benchmarks.peers.{self.name}.tasks", workload]
