"""An array of 50 MB that one task makes and the next one adds up. ``large_value.py RUNS``."""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np
from distributed import Client

#: Numbers of eight bytes each.
LENGTH = 50_000_000 // 8


def make(length: int, start: int) -> np.ndarray:
    """The large value; another one in every run."""
    return np.arange(start, start + length, dtype=np.int64)


def total(array: np.ndarray) -> int:
    """A small value again."""
    return int(array.sum())


def run(client: Client, length: int, start: int) -> float:
    """Seconds of one run."""
    began = time.perf_counter()
    array = client.submit(make, length, start, pure=False)
    got = client.submit(total, array, pure=False).result()
    seconds = time.perf_counter() - began
    expected = length * start + length * (length - 1) // 2
    if got != expected:
        raise SystemExit(f"the sum of {length} numbers from {start} is {expected}, not {got!r}")
    return seconds


if __name__ == "__main__":
    with Client(os.environ["DASK_ADDRESS"]) as dask:
        run(dask, 1000, 0)
        samples = [run(dask, LENGTH, 1 + number) for number in range(int(sys.argv[1]))]
    print(json.dumps({"large_value_s": samples}))
