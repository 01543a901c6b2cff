"""One task that does nothing: from dispatching it to its value in the client. ``one_task.py RUNS``."""

from __future__ import annotations

import json
import sys
import time

import covalent as ct

WARMING = 5


@ct.electron
def same(value: int) -> int:
    """The task."""
    return value


@ct.lattice
def workflow(value: int) -> int:
    """The workflow: the task alone."""
    return same(value)


def run(value: int) -> float:
    """Milliseconds of one run."""
    began = time.perf_counter()
    got = ct.get_result(ct.dispatch(workflow)(value), wait=True).result
    seconds = time.perf_counter() - began
    if got != value:
        raise SystemExit(f"the task of {value} gave {got!r}")
    return seconds * 1000


if __name__ == "__main__":
    first = run(0)
    for number in range(WARMING):
        run(number)
    samples = [run(1000 + number) for number in range(int(sys.argv[1]))]
    print(json.dumps({"first_task_ms": [first], "one_task_ms": samples}))
