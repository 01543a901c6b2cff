"""What starts workers, in a process of its own: three methods."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from covalent.provisioning import Order, Provisioner


class ProcessProvisioner(Provisioner):
    """Starts each worker as a process; its handle is ``<process id> <log file>``."""

    executor: ClassVar[str] = "process"
    look_seconds: ClassVar[float] = 0.2

    def __init__(self) -> None:
        #: Those that this very process has started: they have to be waited for.
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, order: Order) -> str:
        """Start a worker; what goes wrong here is what the user reads."""
        python = order.attributes.get("python_path") or sys.executable
        command = [str(python), *order.arguments(slots=os.cpu_count())]
        if order.attributes.get("niceness"):
            command = ["nice", "-n", str(order.attributes["niceness"]), *command]
        log = order.directory / "worker.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=order.directory,
                env=os.environ | order.environment(),
                start_new_session=True,
            )
        handle = f"{process.pid} {log}"
        self._children[handle] = process
        return handle

    def ended(self, handle: str) -> str | None:
        """The end of the worker's log, once it has ended; nothing when it ended as it should."""
        child = self._children.get(handle)
        if child is None:  # one that an earlier provisioner has started
            return None if _is_worker(_pid(handle)) else ""
        if child.poll() is None:
            return None
        del self._children[handle]
        return "" if child.returncode == 0 else f"it ended with {child.returncode}\n{_last_words(handle)}"

    def end(self, handle: str) -> None:
        """A worker that gets this signal finishes what it runs, and goes."""
        if handle in self._children or _is_worker(_pid(handle)):
            os.kill(_pid(handle), signal.SIGTERM)


def _pid(handle: str) -> int:
    return int(handle.partition(" ")[0])


def _last_words(handle: str) -> str:
    return Path(handle.partition(" ")[2]).read_text(encoding="utf-8", errors="replace")[-2000:]


def _is_worker(pid: int) -> bool:
    try:
        return b"covalent.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
