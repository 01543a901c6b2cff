"""A provisioner that the server starts: a process in the interpreter that has the plugin, in a session of its own.

Nothing of it gets into this process but the end of what it printed, which is read no faster than anybody could use it:
a plugin that prints without end waits for its own pipe.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from covalent_server.executors.local import environment

#: Kept of what it printed, in bytes; read of it at once; and the pause after that, in seconds.
_TAIL: Final = 8000
_PIECE: Final = 65536
_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a provisioner is started with."""

    executor: str
    python: Path
    url: str
    token: str
    #: What the server's certificate is known by; None when it speaks without encryption.
    ca_file: Path | None = None
    #: This provisioner's own: its jobs stay in it from one process to the next.
    directory: Path


class ProvisionerProcess:
    """A provisioner's process; made and used in the event loop."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._exit = os.pidfd_open(process.pid)
        self._loop = asyncio.get_running_loop()
        self._tail = b""
        self.gone = asyncio.Event()
        self._output = -1 if process.stdout is None else process.stdout.fileno()
        os.set_blocking(self._output, False)
        self._loop.add_reader(self._exit, self._ended)
        self._loop.add_reader(self._output, self._read)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; a process that has gone already is no error."""
        try:
            signal.pidfd_send_signal(self._exit, number)
        except (ProcessLookupError, OSError):
            return

    def detach(self) -> None:
        """Have it go and leave its workers where they are."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def last_words(self) -> str:
        """How it ended, with the end of what it printed."""
        code = self._process.returncode
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        return f"{how}; its last words were:\n{self._tail.decode(errors='replace').strip() or '(none)'}"

    def _read(self) -> None:
        self._loop.remove_reader(self._output)
        if self.gone.is_set():
            return
        self._take()
        self._loop.call_later(_PAUSE, self._listen)

    def _listen(self) -> None:
        if not self.gone.is_set():
            self._loop.add_reader(self._output, self._read)

    def _take(self) -> None:
        try:
            self._tail = (self._tail + os.read(self._output, _PIECE))[-_TAIL:]
        except BlockingIOError:
            return

    def _ended(self) -> None:
        self._loop.remove_reader(self._exit)
        self._loop.remove_reader(self._output)
        self._take()
        self._process.wait()  # at once: it has ended
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        os.close(self._exit)
        self.gone.set()


def start(order: Start, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a provisioner's process; raises OSError when the interpreter cannot be run."""
    order.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    token_file = order.directory / "token"
    token_file.unlink(missing_ok=True)
    descriptor = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(order.token)
    command = [str(order.python), "-P", "-u", "-m", "covalent.provisioning", order.executor, "--server", order.url]
    command += ["--token-file", str(token_file), "--directory", str(order.directory), "--attached"]
    command += ["--ca-file", str(order.ca_file)] if order.ca_file is not None else []
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=order.directory,
        env=environment(environ),
        start_new_session=True,
    )
