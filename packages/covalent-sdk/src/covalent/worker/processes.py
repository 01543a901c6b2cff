"""How runners that ended are spoken of, and a janitor that ends those whose worker has died.

A worker ends what its tasks started by descent (see :mod:`covalent.worker.orphans`). When it has died itself nothing
descends from it any more: a runner leads a session of its own and carries a marker in its environment, and what its
tasks started is found by its process group, its session or the inherited marker.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from covalent.context import RUNNER_VARIABLE
from covalent.worker.messages import EXIT_CUT_OFF

#: A process may be forking while it is looked for; what is new is found in the next round.
_ROUNDS: Final = 10
_SESSION_FIELD: Final = 3


def kill_tree(leader: int, marker: str) -> None:
    """Kill a runner and everything that was started by its tasks."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    for _ in range(_ROUNDS):
        found = [pid for pid in _relatives(leader, marker) if pid != os.getpid()]
        if not found:
            return
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _relatives(leader: int, marker: str) -> Iterator[int]:
    """Living processes of a runner's session or with its marker; none where there is no ``/proc``."""
    wanted = f"{RUNNER_VARIABLE}={marker}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # After the name, which may hold anything: state, parent, group, session.
            fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            if fields[0] in b"ZX":
                continue
            if int(fields[_SESSION_FIELD]) == leader or wanted in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)
        except (OSError, IndexError):
            continue  # ended meanwhile, or somebody else's


def start_janitor(runners: Path) -> None:
    """Fork a process that waits for this one's end and then kills the runners registered in a directory.

    It must be called before any thread is started. A registered runner is a file ``<process id>`` holding its marker.
    """
    reading, writing = os.pipe()
    if os.fork():
        os.close(reading)
        # The writing end stays open, and not inherited, until this process ends in whatever way.
        return
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.close(writing)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        while os.read(reading, 1):
            pass
        sweep(runners)
    finally:
        os._exit(0)


def sweep(runners: Path) -> None:
    """Kill every runner that is registered in a directory."""
    for entry in runners.glob("[0-9]*"):
        with suppress(OSError):
            kill_tree(int(entry.name), entry.read_text(encoding="ascii"))
            entry.unlink()


def died_message(status: int | None) -> str:
    """What a runner's exit status says, for the user; negative for a signal, None when this worker had to kill it."""
    if status is None or status == EXIT_CUT_OFF:
        return (
            "the process that ran the task cut its connection to the worker and was ended: the task, or a library, "
            "closed file descriptors that it had not opened (os.closerange, for example)"
        )
    if status >= 0:
        return (
            f"the process that ran the task ended with exit code {status}: the task called os._exit, or a library did"
        )
    number = -status
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unknown"
    text = f"the process that ran the task was killed by signal {number} ({name})"
    if number == signal.SIGKILL:
        text += ": probably the machine or its memory limit ran out of memory; give the task less data or more memory"
    elif number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT, signal.SIGFPE):
        text += ": a crash in compiled code; the task's stderr shows where in Python it was"
    return text
