"""Tasks one after the other, each with the value of the one before. ``chain.py LENGTH RUNS``."""

from __future__ import annotations

import json
import os
import sys
import time

from distributed import Client

WARMING = 5


def after(value: int) -> int:
    """A task: one more than the task before."""
    return value + 1


def run(client: Client, length: int, start: int) -> float:
    """Milliseconds for each task."""
    began = time.perf_counter()
    value = client.submit(after, start, pure=False)
    for _ in range(length - 1):
        value = client.submit(after, value, pure=False)
    got = value.result()
    seconds = time.perf_counter() - began
    if got != start + length:
        raise SystemExit(f"{length} steps after {start} is {start + length}, not {got!r}")
    return seconds / length * 1000


if __name__ == "__main__":
    with Client(os.environ["DASK_ADDRESS"]) as dask:
        run(dask, WARMING, 0)
        samples = [run(dask, int(sys.argv[1]), number) for number in range(int(sys.argv[2]))]
    print(json.dumps({f"chain_{sys.argv[1]}_ms": samples}))
