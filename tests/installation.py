"""The real server in directories of its own: started by the real command, stopped by process id."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from covalent.wire import places
from tests.certificates import Authority

#: Seconds after which a condition that does not come is a failure.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def plain(self) -> Any:
        return json.loads(self.body)


class Installation:
    """A server's home: data, configuration, environment."""

    def __init__(self, root: Path, python: str = sys.executable, *, database_url: str = "") -> None:
        self.root = root
        #: Where the state is; empty for the file that a server makes by itself.
        self.database_url = database_url
        #: The interpreter of the server's environment.
        self.python = python
        root.mkdir(parents=True, exist_ok=True)
        self.data = root / "data"
        withheld = ("COVALENT_", "PYTHON", "COVERAGE")
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(withheld)}
        self.environ |= {
            "HOME": str(root),
            "COVALENT_DATA_DIR": str(self.data),
            "COVALENT_CONFIG_DIR": str(root / "config"),
            "COVALENT_CACHE_DIR": str(root / "cache"),
            "COVALENT_SVC_PORT": "0",
            # Not below the new HOME: packages that were fetched once are linked from there.
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
        }
        if database_url:
            self.environ["COVALENT_DATABASE_URL"] = database_url
        self.url = ""
        self.pid = 0
        #: What vouches for the server's certificate, where it has one.
        self.authority: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.command("stop", check=False)
        for pid in self.worker_pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the ``covalent`` command."""
        command = [self.python, "-m", "covalent_server", *arguments]
        done = subprocess.run(command, env=self.environ, cwd=self.root, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}{self.log()}")
        return done

    def start(self, *arguments: str) -> None:
        """Start the server in the background; a later start takes the same port again."""
        self._started(self.command("start", "--json", *arguments))

    def beyond(self, authority: Authority, *names: str) -> Self:
        """Have it reached from other machines, with encryption, under these names and as localhost."""
        pair = authority.certify(*names, "localhost", "127.0.0.1")
        self.authority = authority.certificate
        self.environ |= {
            "COVALENT_SVC_HOST": "0.0.0.0",  # noqa: S104 - what is tried
            "COVALENT_TLS_CERT": str(pair.certificate),
            "COVALENT_TLS_KEY": str(pair.key),
            "COVALENT_CA_FILE": str(authority.certificate),
        }
        return self

    def restart(self, *arguments: str) -> None:
        """Restart the server; its local workers live on."""
        self._started(self.command("restart", "--json", *arguments))

    def _started(self, done: subprocess.CompletedProcess[str]) -> None:
        told = json.loads(done.stdout)
        self.url, self.pid = told["url"], told["pid"]
        self.environ["COVALENT_SERVER_URL"] = self.url
        self.environ["COVALENT_SVC_PORT"] = str(urlsplit(self.url).port)

    def stop(self) -> None:
        """Stop the server and its local workers."""
        self.command("stop")

    def kill(self) -> None:
        """``kill -9`` of the server."""
        os.kill(self.pid, signal.SIGKILL)
        wait_until(lambda: not alive(self.pid), "the server to be gone")

    def log(self) -> str:
        """What the server logged."""
        path = self.data / "logs" / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def worker_pids(self) -> list[int]:
        """The local workers' supervisors that live."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    command = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if b"covalent.worker" in command and any(str(self.data).encode() in part for part in command):
                    found.append(int(entry.name))
        return found

    @property
    def token(self) -> str:
        return places.token_path(self.root / "config", self.url).read_text().strip()

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: dict[str, str] | None = None,
        token: str | None = "",
        plain: Any = None,
    ) -> Answer:
        """One HTTP request; with the account's token unless told otherwise."""
        parts = urlsplit(self.url)
        if self.authority is None:
            connection = http.client.HTTPConnection("127.0.0.1", parts.port or 0, timeout=PATIENCE)
        else:
            trusting = ssl.create_default_context(cafile=self.authority)
            connection = http.client.HTTPSConnection("localhost", parts.port or 0, timeout=PATIENCE, context=trusting)
        sent = {"Authorization": f"Bearer {self.token if token == '' else token}"} if token is not None else {}
        if plain is not None:
            body = json.dumps(plain).encode()
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body, sent | (headers or {}))
            answer = connection.getresponse()
            return Answer(status=answer.status, headers=dict(answer.getheaders()), body=answer.read())
        finally:
            connection.close()


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Any, what: str, patience: float = PATIENCE) -> Any:
    """The condition's value once it is true; an assertion that names it otherwise."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited {patience:g} seconds for {what}")
