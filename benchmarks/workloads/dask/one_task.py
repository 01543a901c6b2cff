"""One task that does nothing: from submitting it to its value in the client. ``one_task.py RUNS``."""

from __future__ import annotations

import json
import os
import sys
import time

from distributed import Client

WARMING = 5


def same(value: int) -> int:
    """The task."""
    return value


def run(client: Client, value: int) -> float:
    """Milliseconds of one run."""
    began = time.perf_counter()
    got = client.submit(same, value, pure=False).result()
    seconds = time.perf_counter() - began
    if got != value:
        raise SystemExit(f"the task of {value} gave {got!r}")
    return seconds * 1000


if __name__ == "__main__":
    with Client(os.environ["DASK_ADDRESS"]) as dask:
        first = run(dask, 0)
        for number in range(WARMING):
            run(dask, number)
        samples = [run(dask, 1000 + number) for number in range(int(sys.argv[1]))]
    print(json.dumps({"first_task_ms": [first], "one_task_ms": samples}))
