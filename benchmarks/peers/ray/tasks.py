"""The workloads with Ray: references as arguments of remote functions."""

from __future__ import annotations

import time
from typing import Self

import numpy as np
import ray

from benchmarks.peers.ray.cluster import started
from benchmarks.workload import main, values_of


@ray.remote
def same(value: int) -> int:
    """A task that does nothing."""
    return value


@ray.remote
def after(value: int) -> int:
    """One more."""
    return value + 1


@ray.remote
def make(length: int, start: int) -> np.ndarray:
    """A large value."""
    return np.arange(start, start + length, dtype=np.int64)


@ray.remote
def add(array: np.ndarray) -> int:
    """A small value of a large one."""
    return int(array.sum())


@ray.remote
def total(*values: int) -> int:
    """The sum of many values; Ray gives the values of references that are arguments themselves."""
    return sum(values)


class Ray:
    """Ray, started by this process."""

    def __enter__(self) -> Self:
        self._ray = started()
        self._ray.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.__exit__(None, None, None)

    def one_task(self, value: int) -> int:
        """One task."""
        got: int = ray.get(same.remote(value))
        return got

    def chain(self, length: int, start: int) -> int:
        """One after the other."""
        value = start
        for _ in range(length):
            value = after.remote(value)
        got: int = ray.get(value)
        return got

    def large_value(self, length: int, start: int) -> int:
        """One makes an array, the next adds it up."""
        got: int = ray.get(add.remote(make.remote(length, start)))
        return got

    def fan_out(self, size: int, start: int) -> tuple[float, int]:
        """Many, and one that takes the values of all."""
        summed = total.remote(*[same.remote(value) for value in values_of(size, start)])
        handed_over = time.perf_counter()
        return handed_over, ray.get(summed)


if __name__ == "__main__":
    main(Ray())
