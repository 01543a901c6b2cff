"""What it was measured on, and what a process takes of it; read from Linux's ``/proc``."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any, Final

_KIB: Final = 1024
_MB: Final = 1e6
#: Written to ``clear_refs``: forget the peak of the resident memory.
_RESET_PEAK: Final = "5"


def resident_mb(pid: int) -> float:
    """Megabytes of memory that a process has now."""
    return _status(pid, "VmRSS")


def forget_peak(pid: int) -> None:
    """Let the peak begin at what the process has now."""
    Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK, encoding="ascii")


def peak_mb(pid: int) -> float:
    """The most megabytes that a process had since :func:`forget_peak`."""
    return _status(pid, "VmHWM")


def load() -> float:
    """How many processes wanted a processor during the last minute."""
    return os.getloadavg()[0]


def describe(directory: Path) -> dict[str, Any]:
    """The machine, without anything that names it; ``directory`` is where the data lay."""
    cpu = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = next(line for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    return {
        "cpu": cpu[0] if cpu else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(int(memory.split()[1]) * _KIB / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "file_system": _file_system(directory),
        "python": platform.python_version(),
    }


def commit(root: Path) -> tuple[str, bool]:
    """The commit of the working tree, and whether code that is measured differs from it."""
    head = _git(root, "rev-parse", "HEAD").strip()
    return head, bool(_git(root, "status", "--porcelain", "--", "packages", "uv.lock").strip())


def _status(pid: int, field: str) -> float:
    line = next(line for line in _lines(f"/proc/{pid}/status") if line.startswith(f"{field}:"))
    return int(line.split()[1]) * _KIB / _MB


def _file_system(directory: Path) -> str:
    resolved = str(directory.resolve())
    mounts = [line.split()[1:3] for line in _lines("/proc/mounts")]
    above = [mount for mount in mounts if resolved.startswith(mount[0].rstrip("/") + "/")]
    return max(above, key=lambda mount: len(mount[0]))[1] if above else "unknown"


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout  # noqa: S607


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()
