"""A runner dies with its supervisor, however that one ends.

On Linux the kernel sees to it (``PR_SET_PDEATHSIG``), also while the task is inside C code; elsewhere the runner
notices the closed socket when its task is done, and the supervisor's janitor kills it before that.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import sys
from typing import Final

from covalent.worker import orphans

_PR_SET_PDEATHSIG: Final = 1


def follow(supervisor: int) -> None:
    """Die when the process ``supervisor`` does; adopt what the task's children leave behind, so that it is seen."""
    if sys.platform == "linux":
        _c_library().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        orphans.adopt()
    if os.getppid() != supervisor:  # it died before the kernel was told
        os._exit(1)


def flush_c_streams() -> None:
    """Write out what C code left in the buffers of its ``stdout`` and ``stderr``."""
    _c_library().fflush(None)


@functools.cache
def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def has_children() -> bool:
    """Whether a child process is left, running or waiting to be reaped; reaps none."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
