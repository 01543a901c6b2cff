"""Many independent tasks, whose values one task adds up. ``fan_out.py SIZE RUNS``."""

from __future__ import annotations

import json
import sys
import time

import covalent as ct

WARMING = 20


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
    """The workflow: ``size`` tasks, and one that takes the values of all."""
    return total([same(start + number) for number in range(size)])


def run(size: int, start: int) -> dict[str, float]:
    """Seconds to trace the workflow, seconds until the server has it on disk, and tasks a second until the value."""
    began = time.perf_counter()
    workflow.build_graph(size, start)
    traced = time.perf_counter()
    dispatch_id = ct.dispatch(workflow)(size, start)  # which traces once more
    handed_over = time.perf_counter()
    got = ct.get_result(dispatch_id, wait=True).result
    seconds = time.perf_counter() - traced
    expected = sum(range(start, start + size))
    if got != expected:
        raise SystemExit(f"the sum of {size} numbers is {expected}, not {got!r}")
    return {
        f"trace_{size}_s": traced - began,
        f"hand_over_{size}_s": handed_over - traced,
        f"accept_{size}_s": (handed_over - traced) - (traced - began),
        f"fan_out_{size}_per_s": size / seconds,
    }


if __name__ == "__main__":
    run(WARMING, 0)
    runs = [run(int(sys.argv[1]), number) for number in range(int(sys.argv[2]))]
    print(json.dumps({name: [samples[name] for samples in runs] for name in runs[0]}))
