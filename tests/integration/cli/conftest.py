"""A place of its own for each test's servers, and the real ``covalent`` command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from covalent_server.cli import lock

COVALENT: Final = Path(sys.executable).with_name("covalent")


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Directories in which a test's server lives, and the command to rule it."""

    root: Path
    #: Servers started in the foreground.
    attached: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def config(self) -> Path:
        return self.root / "config"

    def environ(self, **more: str) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("COVALENT_", "XDG_"))}
        places = {"HOME": self.root, "COVALENT_CONFIG_DIR": self.config, "COVALENT_DATA_DIR": self.data}
        return inherited | {name: str(path) for name, path in places.items()} | {"COVALENT_SVC_PORT": "0"} | more

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run ``covalent`` to its end."""
        environ = self.environ(**more)
        command = [str(COVALENT), *arguments]
        return subprocess.run(command, env=environ, cwd=self.root, capture_output=True, text=True, check=False)

    def json(self, *arguments: str, **more: str) -> Any:
        """What a command that succeeds says with ``--json``."""
        run = self.run(*arguments, "--json", **more)
        assert run.returncode == 0, run.stderr + run.stdout
        said = json.loads(run.stdout)
        assert said["schema_version"] == 1
        return said

    def attach(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start ``covalent`` and leave it running, with pipes to what it says."""
        process = subprocess.Popen(
            [COVALENT, *arguments],
            env=self.environ(**more),
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.attached.append(process)
        return process

    def clear(self) -> None:
        """End what is still running."""
        for process in self.attached:
            process.kill()
            process.communicate()
        holder = lock.holder(self.data / "lock")
        if holder is not None and holder.alive:
            release = lock.Release(self.data / "lock")
            os.kill(holder.pid, signal.SIGKILL)
            assert release.wait(30)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(root=tmp_path)
    yield house
    house.clear()
