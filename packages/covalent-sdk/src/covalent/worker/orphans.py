"""Processes whose parent has ended: who becomes their parent, and how they are ended.

A runner adopts what its task's children leave behind. When the runner has ended, its children become the supervisor's,
which starts nothing else than runners and builders of layers. So whatever a task has started is found by descent,
whatever session, group and environment it has given itself, and however often it has forked.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

_log = logging.getLogger("covalent.worker")
_PR_SET_CHILD_SUBREAPER: Final = 36
#: A process that was killed is gone at once, unless the kernel holds it: then it is not waited for.
_PATIENCE: Final = 1.0
#: Between two looks, in seconds; the kernel tells nobody of the end of somebody else's child.
_PAUSE: Final = 0.001


def adopt() -> None:
    """Become the parent of every descendant that loses its own."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Orphans:
    """What a supervisor has adopted and is going to adopt; make it before the first runner is started."""

    def __init__(self) -> None:
        adopt()
        #: The janitor, and what whoever became this process had started before.
        self._older = frozenset(descendants(os.getpid()))

    def end(self, ours: Collection[int]) -> None:
        """Kill and reap all descendants of this process but ``ours``, living runners and builders, and older ones."""
        spared = {*ours, *self._older}
        deadline = time.monotonic() + _PATIENCE
        while found := descendants(os.getpid(), spared):
            for pid in found:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_PAUSE)
            for pid in found:
                with suppress(ChildProcessError):  # it is not a child of this process yet
                    os.waitpid(pid, os.WNOHANG)
            if time.monotonic() > deadline:
                _log.warning("these processes of a task do not end: %s", found)
                return


def descendants(process: int, spared: Collection[int] = ()) -> list[int]:
    """Children, dead ones that wait to be reaped too, then theirs; none where there is no ``/proc``."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents().items():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = [process]
    while waiting:
        own = [pid for pid in children.get(waiting.pop(), ()) if pid not in spared]
        found += own
        waiting += own
    return found


def _parents() -> dict[int, int]:
    """Every process with its parent."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):  # it has ended meanwhile
            # After the name, which may hold anything: state, parent.
            parents[int(entry.name)] = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
    return parents
