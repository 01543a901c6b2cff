"""Which processes the demonstration has started: those that run an interpreter below its directory."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

_PAUSE: Final = 0.1


def running(directory: Path) -> dict[int, str]:
    """The command lines of the processes that were started from an environment below a directory, by pid."""
    start = f"{directory}{os.sep}"
    return {pid: command for pid, command in _commands().items() if command.startswith(start) and pid != os.getpid()}


def wait_until_gone(directory: Path, seconds: float) -> dict[int, str]:
    """Those that are left after that many seconds, which is none when all goes well."""
    deadline = time.monotonic() + seconds
    while (left := running(directory)) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    return left


def end(directory: Path) -> None:
    """End what is left, each by its pid: asked first, then killed."""
    for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        for pid in running(directory):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if not wait_until_gone(directory, patience):
            return


def _commands() -> dict[int, str]:
    proc = Path("/proc")
    if not (proc / "self" / "cmdline").exists():
        listing = subprocess.run(["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=True)  # noqa: S607
        split = (line.split(None, 1) for line in listing.stdout.splitlines())
        return {int(fields[0]): fields[1] for fields in split if len(fields) > 1}
    found = {}
    for path in proc.glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found[int(path.parent.name)] = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return {pid: command for pid, command in found.items() if command}
