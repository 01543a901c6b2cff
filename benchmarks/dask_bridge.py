"""E2: tasks through our server to a Dask cluster, beside what plain ``client.submit`` does on the same one.

``python -m benchmarks.dask_bridge [SIZE ...]``, in an environment with both packages and ``covalent-sdk[dask]``: one
cluster of single-threaded worker processes, and in each round first the one, then the other. Values are compared with
what they have to be; the time is taken until the caller has them all. Prints a line of JSON for each size.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Final

from distributed import Client, LocalCluster

import covalent as ct
from covalent import testing

_WORKERS: Final = 2
_ROUNDS: Final = 3
_WARMING: Final = 200


def same(value: int) -> int:
    """A task that does nothing."""
    return value


def plain(client: Client, size: int, start: int) -> list[int]:
    """By Dask's own client."""
    futures = [client.submit(same, value, pure=False) for value in range(start, start + size)]
    got: list[int] = client.gather(futures)
    return got


def ours(address: str) -> Callable[[int, int], list[int]]:
    """By a workflow of ours, whose tasks and whose return value are put together on the cluster."""
    dask = ct.executor.DaskExecutor(scheduler_address=address)
    electron = ct.electron(same, executor=dask)

    @ct.lattice(executor=dask, workflow_executor=dask)
    def workflow(size: int, start: int) -> list[int]:
        return [electron(value) for value in range(start, start + size)]

    def run(size: int, start: int) -> list[int]:
        result = ct.get_result(ct.dispatch(workflow)(size, start), wait=True)
        result.raise_for_status()
        got: list[int] = result.result
        return got

    return run


def rate(run: Callable[[int, int], list[int]], size: int, start: int) -> float:
    """Tasks a second."""
    began = time.perf_counter()
    got = run(size, start)
    seconds = time.perf_counter() - began
    if got != list(range(start, start + size)):
        raise SystemExit("the values are wrong")
    return size / seconds


def main(sizes: list[int]) -> None:
    """Measure both, size by size."""
    with (
        LocalCluster(n_workers=_WORKERS, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
        testing.server(),
    ):
        systems: dict[str, Callable[[int, int], list[int]]] = {
            "dask": lambda size, start: plain(client, size, start),
            "covalent": ours(cluster.scheduler_address),
        }
        for run in systems.values():
            rate(run, _WARMING, 0)
        for size in sizes:
            samples: dict[str, list[float]] = {name: [] for name in systems}
            for number in range(_ROUNDS):
                for name, run in systems.items():
                    samples[name].append(round(rate(run, size, number), 1))
            ratio = median(samples["covalent"]) / median(samples["dask"])
            print(json.dumps({"size": size, "tasks_per_s": samples, "ratio": round(ratio, 2)}), flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1000, 10_000])
