"""``nox -s profile``: where the microseconds of a task go, as processor time of each part that has a hand in it.

Processor time is taken from ``/proc`` before and after each workload, for every thread of the server, the workers'
supervisors, their runners, and the client; the server's writer has a clock around its commits
(``probes/timed_server.py``). The parts run side by side on the processors there are, so that their sum, divided by the
number of processors, is the least time that a task can take.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks import costs_report, machine
from benchmarks.environments import PROBES, ROOT, BenchError, Environments, build
from benchmarks.life import tell, workload
from benchmarks.ours import Covalent

_FIELDS: Final = struct.Struct("<5d")
_NANOSECONDS: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A script, the numbers with which it runs many tasks, and those with which it runs a part of them.

    What the part takes is taken off what the client and the clock have for all: an interpreter's start is no task's.
    """

    script: str
    all: tuple[int, ...]
    tasks: int
    part: tuple[int, ...]
    tasks_of_part: int


LOADS: Final = {
    "independent tasks": Load(script="many", all=(10, 1000), tasks=10_000, part=(1, 1000), tasks_of_part=1000),
    "in layers": Load(script="mesh", all=(5000, 3), tasks=15_000, part=(5000, 1), tasks_of_part=5000),
    "in a chain": Load(script="chain", all=(200, 11), tasks=2200, part=(200, 1), tasks_of_part=200),
}


class TimedCovalent(Covalent):
    """Ours, started in the foreground by the probe."""

    def __init__(self, environments: Environments, state: Path) -> None:
        super().__init__(environments, state)
        self._python = environments.server
        self.numbers = state.with_suffix(".numbers")

    def start(self) -> None:
        """As ``covalent start`` does it, with the clock."""
        self.clear()
        words = [str(self._python), "-P", str(PROBES / "timed_server.py"), str(self.numbers)]
        with self.numbers.with_suffix(".log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                [*words, "start", "--foreground", "--port", "0", "--json"],
                env=self.environ,
                cwd=self.state,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise BenchError(f"the server did not start; see {log.name}")
        self.told = json.loads(line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Processor seconds of every part of the server and its workers until now, and what its writer has done."""

    seconds: dict[str, float]
    commits: float
    operations: float
    commit_wall: float


def look(system: TimedCovalent) -> Look:
    """Look at every process that belongs to the server."""
    (server,) = system.pids
    writer, commits, operations, commit_seconds, wall = _FIELDS.unpack(system.numbers.read_bytes())
    threads = {int(path.name): _run_seconds(path) for path in Path(f"/proc/{server}/task").iterdir()}
    requests, writing = threads.pop(server, 0.0), threads.pop(int(writer), 0.0)
    workers = {"worker: supervisor": 0.0, "worker: runners": 0.0}
    for pid in system.processes():
        if pid != server:
            supervises = "-m covalent.worker --server" in machine.command_line(pid)
            workers["worker: supervisor" if supervises else "worker: runners"] += _process_seconds(pid)
    seconds = {
        "server: requests": requests,
        "server: writing, statements": writing - commit_seconds,
        "server: writing, commits": commit_seconds,
        "server: reading and the rest": sum(threads.values()),
        **workers,
    }
    return Look(seconds=seconds, commits=commits, operations=operations, commit_wall=wall)


def measure(system: TimedCovalent, load: Load) -> dict[str, Any]:
    """What each part has for each task, in microseconds."""
    part_client, part_clock = _client(system, load.script, load.part)
    before = look(system)
    client, clock = _client(system, load.script, load.all)
    after = look(system)
    more = load.tasks - load.tasks_of_part
    parts = {name: (after.seconds[name] - before.seconds[name]) / load.tasks * 1e6 for name in after.seconds}
    return {
        "microseconds": parts | {"client": (client - part_client) / more * 1e6},
        "wall_microseconds": (clock - part_clock) / more * 1e6,
        "commit_wall_microseconds": (after.commit_wall - before.commit_wall) / load.tasks * 1e6,
        "commits": (after.commits - before.commits) / load.tasks,
        "operations": (after.operations - before.operations) / load.tasks,
    }


def _client(system: TimedCovalent, script: str, numbers: tuple[int, ...]) -> tuple[float, float]:
    """Processor seconds of a script, and seconds by the clock."""
    began, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    workload(system, script, *numbers)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (ended.ru_utime + ended.ru_stime) - (began.ru_utime + began.ru_stime), time.perf_counter() - clock


def main(arguments: list[str]) -> int:
    """Build, measure, write."""
    parser = argparse.ArgumentParser(prog="nox -s profile --", description=__doc__)
    parser.add_argument("--wheels", type=Path, required=True, help="the directory of both wheels; nox gives it")
    parser.add_argument("--directory", type=Path, required=True, help="everything else goes below it; nox gives it")
    parser.add_argument("--keep", action="store_true", help="write the results of record and the page that shows them")
    chosen = parser.parse_args(arguments)
    directory: Path = chosen.directory.resolve()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        environments = build(sorted(chosen.wheels.glob("*.whl")), directory / "environments", [])
        record = _record(TimedCovalent(environments, directory / "profiled"), directory)
    except BenchError as error:
        print(f"the profile ended early: {error}", file=sys.stderr)
        return 1
    print(costs_report.table(record))
    if chosen.keep:
        costs_report.LATEST.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        costs_report.write(record)
    return 0


def _record(system: TimedCovalent, directory: Path) -> dict[str, Any]:
    head, modified = machine.commit(ROOT)
    load, loads = machine.load(), {}
    try:
        system.start()
        for title, one in LOADS.items():
            tell(title)
            loads[title] = measure(system, one)
    finally:
        system.stop()
    return {
        "commit": head,
        "modified": modified,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(directory),
        "load": {"before": load, "after": machine.load()},
        "loads": loads,
    }


def _process_seconds(pid: int) -> float:
    """Of all threads, those that have ended too."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _run_seconds(thread: Path) -> float:
    with contextlib.suppress(OSError):
        return int((thread / "schedstat").read_text(encoding="utf-8").split()[0]) * _NANOSECONDS
    return 0.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
