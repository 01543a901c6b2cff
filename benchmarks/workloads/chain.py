"""Tasks one after the other, each with the value of the one before. ``chain.py LENGTH RUNS``."""

from __future__ import annotations

import json
import sys
import time

import covalent as ct

WARMING = 5


@ct.electron
def after(value: int) -> int:
    """A task: one more than the task before."""
    return value + 1


@ct.lattice
def workflow(length: int, start: int) -> int:
    """The workflow: ``length`` tasks in a row."""
    value = start
    for _ in range(length):
        value = after(value)
    return value


def run(length: int, start: int) -> float:
    """Milliseconds for each task."""
    began = time.perf_counter()
    got = ct.get_result(ct.dispatch(workflow)(length, start), wait=True).result
    seconds = time.perf_counter() - began
    if got != start + length:
        raise SystemExit(f"{length} steps after {start} is {start + length}, not {got!r}")
    return seconds / length * 1000


if __name__ == "__main__":
    run(WARMING, 0)
    samples = [run(int(sys.argv[1]), number) for number in range(int(sys.argv[2]))]
    print(json.dumps({f"chain_{sys.argv[1]}_ms": samples}))
