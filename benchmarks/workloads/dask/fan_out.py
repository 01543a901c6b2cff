"""Many independent tasks, whose values one task adds up. ``fan_out.py SIZE RUNS``."""

from __future__ import annotations

import json
import os
import sys
import time

from distributed import Client

WARMING = 20


def same(value: int) -> int:
    """A task: its value goes on to the sum."""
    return value


def total(values: list[int]) -> int:
    """The sum of them all."""
    return sum(values)


def run(client: Client, size: int, start: int) -> dict[str, float]:
    """Seconds until the client has handed the tasks over, and tasks a second until the value."""
    began = time.perf_counter()
    values = client.map(same, range(start, start + size), pure=False)
    summed = client.submit(total, values, pure=False)
    handed_over = time.perf_counter()
    got = summed.result()
    seconds = time.perf_counter() - began
    expected = sum(range(start, start + size))
    if got != expected:
        raise SystemExit(f"the sum of {size} numbers is {expected}, not {got!r}")
    return {f"hand_over_{size}_s": handed_over - began, f"fan_out_{size}_per_s": size / seconds}


if __name__ == "__main__":
    with Client(os.environ["DASK_ADDRESS"]) as dask:
        run(dask, WARMING, 0)
        runs = [run(dask, int(sys.argv[1]), number) for number in range(int(sys.argv[2]))]
    print(json.dumps({name: [samples[name] for samples in runs] for name in runs[0]}))
