"""An array of 50 MB that one task makes and the next one adds up. ``large_value.py RUNS``."""

from __future__ import annotations

import json
import sys
import time

import numpy as np

import covalent as ct

#: Numbers of eight bytes each.
LENGTH = 50_000_000 // 8


@ct.electron
def make(length: int, start: int) -> np.ndarray:
    """The large value; another one in every run."""
    return np.arange(start, start + length, dtype=np.int64)


@ct.electron
def total(array: np.ndarray) -> int:
    """A small value again."""
    return int(array.sum())


@ct.lattice
def workflow(length: int, start: int) -> int:
    """The workflow: both, one after the other."""
    return total(make(length, start))


def run(length: int, start: int) -> float:
    """Seconds of one run."""
    began = time.perf_counter()
    got = ct.get_result(ct.dispatch(workflow)(length, start), wait=True).result
    seconds = time.perf_counter() - began
    expected = length * start + length * (length - 1) // 2
    if got != expected:
        raise SystemExit(f"the sum of {length} numbers from {start} is {expected}, not {got!r}")
    return seconds


if __name__ == "__main__":
    run(1000, 0)
    samples = [run(LENGTH, 1 + number) for number in range(int(sys.argv[1]))]
    print(json.dumps({"large_value_s": samples}))
