"""Covalent: one command, nothing configured but where its files go and that the port be free."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Final

from benchmarks.environments import ROOT, Environments, clean_environ, run

_PATIENCE: Final = 30.0
_PAUSE: Final = 0.05
_SCRIPTS: Final = ROOT / "benchmarks" / "workloads"


class Covalent:
    """The server and its local workers, in directories of their own."""

    name = "covalent"
    module = "covalent"
    use = "import covalent as ct; ct.electron, ct.lattice, ct.dispatch, ct.get_result"
    in_process = False
    slow = False

    def __init__(self, environments: Environments, state: Path) -> None:
        self.client = environments.client
        self.state = state
        self._command_path = environments.server.with_name("covalent")
        #: What the server has told of itself; nothing while there is none.
        self.told: dict[str, str] = {}

    def start(self) -> None:
        """``covalent start``, which returns when the server answers."""
        self.clear()
        self.told = json.loads(self._command("start", "--port", "0", "--json"))

    def clear(self) -> None:
        """Forget every earlier server."""
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.mkdir(parents=True)

    def stop(self) -> None:
        """``covalent stop``, which lets the workers go; what stays nevertheless is killed."""
        told, self.told = self.told, {}
        try:
            if told:
                self._command("stop")
        finally:
            self._end_what_is_left()

    @property
    def pids(self) -> list[int]:
        """The server; workers start when there is work for them."""
        return [int(self.told["pid"])]

    @property
    def database_bytes(self) -> int:
        """The database's size, with what is not yet merged into its main file."""
        return sum(path.stat().st_size for path in (self.state / "data").glob("covalent.db*"))

    def lock_messages(self) -> int:
        """Lines of the server's log that speak of a locked database."""
        log = (self.state / "data" / "logs" / "server.log").read_text(encoding="utf-8", errors="replace")
        return sum("locked" in line for line in log.splitlines())

    def processes(self) -> list[int]:
        """The processes that know a directory of ours: the server, supervisors and their runners."""
        mark = f"={self.state}/".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                variables = path.read_bytes().split(b"\0")
                if any(variable.startswith(b"COVALENT_") and mark in variable for variable in variables):
                    found.append(int(path.parent.name))
        return found

    def script(self, workload: str) -> list[str]:
        """A script as a user would have it; only ours has one for each workload."""
        return [str(_SCRIPTS / f"{workload}.py")]

    @property
    def environ(self) -> dict[str, str]:
        """Where it lives, and its address."""
        places = {name: str(self.state / name) for name in ("config", "data", "cache")}
        address = {"COVALENT_SERVER_URL": self.told["url"]} if self.told else {}
        return clean_environ() | {f"COVALENT_{name.upper()}_DIR": place for name, place in places.items()} | address

    def _command(self, *arguments: str) -> str:
        return run(str(self._command_path), *arguments, environ=self.environ)

    def _end_what_is_left(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
