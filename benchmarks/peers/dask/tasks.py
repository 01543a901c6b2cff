"""The workloads with Dask: futures as arguments of futures; many at once by ``map``, its fastest way.

``pure=False`` keeps it from answering a repeated task out of its memory.
"""

from __future__ import annotations

import os
import time
from typing import Self

import numpy as np
from distributed import Client

from benchmarks.workload import main, values_of


def same(value: int) -> int:
    """A task that does nothing."""
    return value


def after(value: int) -> int:
    """One more."""
    return value + 1


def make(length: int, start: int) -> np.ndarray:
    """A large value."""
    return np.arange(start, start + length, dtype=np.int64)


def add(array: np.ndarray) -> int:
    """A small value of a large one."""
    return int(array.sum())


def total(values: list[int]) -> int:
    """The sum of many values."""
    return sum(values)


class Dask:
    """A client of the cluster."""

    def __enter__(self) -> Self:
        self._client = Client(os.environ["DASK_ADDRESS"])
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def one_task(self, value: int) -> int:
        """One task."""
        got: int = self._client.submit(same, value, pure=False).result()
        return got

    def chain(self, length: int, start: int) -> int:
        """One after the other."""
        value = start
        for _ in range(length):
            value = self._client.submit(after, value, pure=False)
        got: int = value.result()  # type: ignore[attr-defined]  # by now it is a future
        return got

    def large_value(self, length: int, start: int) -> int:
        """One makes an array, the next adds it up."""
        array = self._client.submit(make, length, start, pure=False)
        got: int = self._client.submit(add, array, pure=False).result()
        return got

    def fan_out(self, size: int, start: int) -> tuple[float, int]:
        """Many, and one that takes the values of all."""
        values = self._client.map(same, values_of(size, start), pure=False)
        summed = self._client.submit(total, values, pure=False)
        handed_over = time.perf_counter()
        return handed_over, summed.result()


if __name__ == "__main__":
    main(Dask())
