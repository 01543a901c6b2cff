"""What a worker's machine has to give to its tasks: slots of processors, GPUs, and how much memory they have taken."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from covalent.locks import locked
from covalent.resources import Resources
from covalent.worker.environment import VISIBLE_GPUS
from covalent.worker.orphans import descendants

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Gpus:
    """The GPUs that a worker may give to its tasks; of one that several workers may give, one has it at a time.

    A worker that has one holds a lock on a file of that name, which ends with the worker.
    """

    def __init__(self, ids: Sequence[str] = (), directory: Path | None = None) -> None:
        """``directory`` is where all workers lock them; without one, there is no other worker."""
        self.count = len(ids)
        self._free = deque(ids)
        self._directory = directory
        self._locks: dict[str, int] = {}

    @property
    def free(self) -> int:
        """How many of them this worker has not taken."""
        return len(self._free)

    def take(self, count: int) -> tuple[str, ...] | None:
        """So many of them, None while too many of the others are with other workers."""
        taken: list[str] = []
        for gpu in list(self._free) if count else ():
            if self._locked(gpu):
                self._free.remove(gpu)
                taken.append(gpu)
                if len(taken) == count:
                    break
        if len(taken) < count:
            self.give_back(taken)
            return None
        return tuple(taken)

    def give_back(self, gpus: Sequence[str]) -> None:
        """The runner that had them is over."""
        self._free.extend(gpus)
        for gpu in gpus:
            if gpu in self._locks:
                os.close(self._locks.pop(gpu))

    def _locked(self, gpu: str) -> bool:
        """Lock it, unless another worker has."""
        if self._directory is None:
            return True
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = locked(self._directory / gpu.replace("/", "_"))
        if lock is not None:
            self._locks[gpu] = lock
        return lock is not None


class Machine:
    """The slots of one worker, each with some processors, and the GPUs."""

    def __init__(self, slots: int, processors: int, gpus: Gpus) -> None:
        """``processors`` is how many each slot has."""
        self.slots = slots
        self.processors = processors
        self.gpus = gpus

    def weight(self, wanted: Resources) -> int:
        """How many slots a task takes."""
        return max(1, math.ceil(wanted.cpus / self.processors))

    def refusal(self, wanted: Resources) -> str:
        """Why such a task can never run here; empty when it can."""
        if self.weight(wanted) > self.slots:
            here = self.slots * self.processors
            return f"the task asks for {wanted.cpus} cpus, and its worker has {here}; ask for less in resources"
        if wanted.gpus > self.gpus.count:
            return (
                f"the task asks for {wanted.gpus} gpus, and its worker has {self.gpus.count}; ask for less in "
                f"resources, or say which GPUs there are with {VISIBLE_GPUS} where the worker is started"
            )
        return ""


def visible_gpus(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The ids of the GPUs that a worker may give to tasks: those that are visible to it, else all of the machine's."""
    told = environ.get(VISIBLE_GPUS)
    if told is not None:
        return tuple(item.strip() for item in told.split(",") if item.strip() not in ("", "-1", "NoDevFiles"))
    with suppress(OSError):
        return tuple(str(number) for number, _ in enumerate(sorted(os.listdir("/proc/driver/nvidia/gpus"))))  # noqa: PTH208
    return ()


def exceeds(leader: int, limit: int) -> bool:
    """Whether a process and all that descends from it have more bytes of memory than that, each counted once."""
    family = [leader, *descendants(leader)]
    # What they share is counted once by the slow way alone; the quick way never gives less.
    return sum(map(_resident, family)) > limit and sum(map(_proportional, family)) > limit


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0  # it has ended


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:"))
    except (OSError, StopIteration):
        return _resident(pid)
