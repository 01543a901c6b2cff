"""Many clients at once, each of which dispatches a small workflow again and again. ``clients.py CLIENTS SECONDS``.

A client is a thread that does what a script does: trace, dispatch, wait for the result, look at it, and dispatch the
next one at once, without a pause. Eight of them share a process, which is what the SDK keeps connections for; a process
for each would spend the machine on two hundred interpreters.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from typing import Any

import covalent as ct

TOGETHER = 8


@ct.electron
def double(value: int) -> int:
    """A task."""
    return 2 * value


@ct.electron
def add(left: int, right: int) -> int:
    """A task that takes the values of two."""
    return left + right


@ct.lattice
def workflow(value: int) -> int:
    """The workflow: three tasks."""
    return add(double(value), double(value + 1))


class Client:
    """What one of them has seen."""

    def __init__(self, number: int) -> None:
        self.submitted: list[float] = []
        self.finished: list[float] = []
        self.errors: list[str] = []
        self._number = number

    def work(self, seconds: float) -> None:
        """Go on until the time is over; what was begun is finished."""
        end = time.monotonic() + seconds
        value = self._number
        while time.monotonic() < end:
            value += 1000
            try:
                self._once(value)
            except Exception as error:  # noqa: BLE001  every error is a finding
                self.errors.append(f"{type(error).__name__}: {error}")

    def _once(self, value: int) -> None:
        began = time.perf_counter()
        dispatch_id = ct.dispatch(workflow)(value)
        self.submitted.append((time.perf_counter() - began) * 1000)
        got = ct.get_result(dispatch_id, wait=True).result
        self.finished.append((time.perf_counter() - began) * 1000)
        if got != 4 * value + 2:
            raise ValueError(f"the workflow of {value} gave {got!r}")


def part(first: int, count: int, seconds: float) -> dict[str, list[Any]]:
    """The clients of this process, begun when a line arrives."""
    clients = [Client(first + number) for number in range(count)]
    threads = [threading.Thread(target=client.work, args=(seconds,)) for client in clients]
    print("ready", flush=True)
    sys.stdin.readline()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        name: [value for client in clients for value in getattr(client, name)]
        for name in ("submitted", "finished", "errors")
    }


def whole(count: int, seconds: float) -> dict[str, list[float]]:
    """Every process, begun together; what they have seen."""
    ct.get_result(ct.dispatch(workflow)(0), wait=True)
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "part", str(first), str(min(TOGETHER, count - first)), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in range(0, count, TOGETHER)
    ]
    for process in processes:
        process.stdout.readline()  # type: ignore[union-attr]  # it was asked for
    began = time.perf_counter()
    for process in processes:
        process.stdin.write("go\n")  # type: ignore[union-attr]  # it was asked for
        process.stdin.flush()  # type: ignore[union-attr]  # it was asked for
    told = [json.loads(process.communicate()[0]) for process in processes]
    elapsed = time.perf_counter() - began
    submitted, finished, errors = (
        [value for one in told for value in one[name]] for name in ("submitted", "finished", "errors")
    )
    for error in sorted(set(errors)):
        print(f"{errors.count(error)} times: {error}", file=sys.stderr)
    cuts, done = statistics.quantiles(submitted, n=100), statistics.quantiles(finished, n=100)
    return {
        "clients_p50_ms": [cuts[49]],
        "clients_p99_ms": [cuts[98]],
        "clients_finished_p99_ms": [done[98]],
        "clients_per_s": [len(finished) / elapsed],
        "clients_errors": [float(len(errors))],
    }


if __name__ == "__main__":
    if sys.argv[1] == "part":
        print(json.dumps(part(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))))
    else:
        print(json.dumps(whole(int(sys.argv[1]), float(sys.argv[2]))))
