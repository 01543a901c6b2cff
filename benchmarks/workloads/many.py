"""Dispatch after dispatch of independent tasks and one that adds them up. ``many.py DISPATCHES SIZE``."""

from __future__ import annotations

import json
import sys
import time

import covalent as ct


@ct.electron
def same(value: int) -> int:
    """A task: its value goes on to the sum."""
    return value


@ct.electron
def total(values: list[int]) -> int:
    """The sum of them all."""
    return sum(values)


@ct.lattice
def workflow(size: int, start: int) -> int:
    """The workflow: ``size`` tasks in all."""
    return total([same(start + number) for number in range(size - 1)])


def run(size: int, start: int) -> None:
    """One dispatch."""
    got = ct.get_result(ct.dispatch(workflow)(size, start), wait=True).result
    expected = sum(range(start, start + size - 1))
    if got != expected:
        raise SystemExit(f"the sum of {size - 1} numbers from {start} is {expected}, not {got!r}")


if __name__ == "__main__":
    dispatches, tasks = int(sys.argv[1]), int(sys.argv[2])
    began = time.perf_counter()
    for number in range(dispatches):
        run(tasks, number * tasks)
    print(json.dumps({"volume_per_s": [dispatches * tasks / (time.perf_counter() - began)]}))
