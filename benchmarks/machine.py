"""What it was measured on, and what a process takes of it; read from Linux's ``/proc``."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

_KIB: Final = 1024
_MB: Final = 1e6
#: Written to ``clear_refs``: forget the peak of the resident memory.
_RESET_PEAK: Final = "5"


def resident_mb(pids: Iterable[int]) -> float:
    """Megabytes of memory that processes have now."""
    return sum(_status(pid, "VmRSS") for pid in pids)


def forget_peak(pids: Iterable[int]) -> None:
    """Let the peaks begin at what the processes have now."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK, encoding="ascii")


def peak_mb(pids: Iterable[int]) -> float:
    """The most megabytes that each process had since :func:`forget_peak`, in all."""
    return sum(_status(pid, "VmHWM") for pid in pids)


def below(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found, look = [], [pid]
    while look:
        look = [child for parent in look for child in children.get(parent, ())]
        found += look
    return found


def command_line(pid: int) -> str:
    """What a process was started as; nothing when it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").replace("\0", " ").strip()
    except OSError:
        return ""


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
    """Nothing for a process that has gone, or that ends just now and has no memory any more."""
    with contextlib.suppress(FileNotFoundError):
        for line in _lines(f"/proc/{pid}/status"):
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * _KIB / _MB
    return 0.0


def _file_system(directory: Path) -> str:
    resolved = str(directory.resolve())
    mounts = [line.split()[1:3] for line in _lines("/proc/mounts")]
    above = [mount for mount in mounts if resolved.startswith(mount[0].rstrip("/") + "/")]
    return max(above, key=lambda mount: len(mount[0]))[1] if above else "unknown"


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout  # noqa: S607


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()
