"""Telling a process from a later one that was given the same pid."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
#: Counted after the command's name, which may hold anything, blanks and parentheses too (see proc(5)).
_START_FIELD: Final = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process by its pid and the moment at which it started, in the system's own words."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether this very process is still there."""
        return started(self.pid) == self.started


def this() -> Process:
    """The process that asks."""
    return Process(pid=os.getpid(), started=started(os.getpid()) or "")


def started(pid: int) -> str | None:
    """When a process started; None when there is none of that pid."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None if (_PROC / "self" / "stat").exists() else _started_by_ps(pid)
    return text.rpartition(")")[2].split()[_START_FIELD]


def _started_by_ps(pid: int) -> str | None:
    import subprocess  # noqa: PLC0415  (only where there is no /proc)

    answer = subprocess.run(["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None
