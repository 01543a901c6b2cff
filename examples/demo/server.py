"""A server of the demonstration's own: started, asked, and stopped through nothing but its command and its HTTP API."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from environments import DemoError, clean_environ

_SECONDS: Final = 60


@dataclass(frozen=True, kw_only=True)
class Run:
    """How a program ended."""

    code: int
    #: The last line that it wrote to stderr.
    reason: str


@dataclass(frozen=True, kw_only=True)
class DemoServer:
    """A server on a free port with directories of its own."""

    python: Path
    state: Path
    port: int

    @property
    def environ(self) -> dict[str, str]:
        """What makes the command and the SDK use this server and no other."""
        return clean_environ(
            COVALENT_CONFIG_DIR=str(self.state / "config"),
            COVALENT_DATA_DIR=str(self.state / "data"),
            COVALENT_CACHE_DIR=str(self.state / "cache"),
            COVALENT_SVC_PORT=str(self.port),
        )

    def command(self, *arguments: str) -> str:
        """What ``covalent …`` prints; raises DemoError when it fails."""
        done = subprocess.run(
            [str(self.python.with_name("covalent")), *arguments],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise DemoError(
                f"covalent {' '.join(arguments)} failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def run_python(self, *arguments: str) -> Run:
        """Run the server's interpreter."""
        command = [str(self.python), *arguments]
        done = subprocess.run(
            command,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Run(code=done.returncode, reason=(done.stderr.strip().splitlines() or [""])[-1])

    def status(self) -> dict[str, Any]:
        """What the server says of itself."""
        plain: dict[str, Any] = json.loads(self.command("status", "--json"))
        return plain

    def get(self, path: str) -> bytes:
        """The answer to a GET, as a program without Covalent would ask it."""
        token = next((self.state / "config" / "tokens").iterdir()).read_text(encoding="ascii").strip()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1{path}", headers={"Authorization": f"Bearer {token}"}
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=_SECONDS) as answer:
            data: bytes = answer.read()
        return data

    def get_json(self, path: str) -> Any:
        """The JSON that a GET is answered with."""
        return json.loads(self.get(path))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
