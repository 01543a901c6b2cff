"""The workloads with Prefect: flows whose tasks go to its default runner, a pool of threads in this process."""

from __future__ import annotations

import time
from typing import Self

import numpy as np
from prefect import flow, task

from benchmarks.workload import main, values_of


@task
def same(value: int) -> int:
    """A task that does nothing."""
    return value


@task
def after(value: int) -> int:
    """One more."""
    return value + 1


@task
def make(length: int, start: int) -> np.ndarray:
    """A large value."""
    return np.arange(start, start + length, dtype=np.int64)


@task
def add(array: np.ndarray) -> int:
    """A small value of a large one."""
    return int(array.sum())


@task
def total(values: list[int]) -> int:
    """The sum of many values."""
    return sum(values)


@flow
def one_task(value: int) -> int:
    """One task."""
    return same(value)


@flow
def chain(length: int, start: int) -> int:
    """One after the other."""
    value = start
    for _ in range(length):
        value = after(value)
    return value


@flow
def large_value(length: int, start: int) -> int:
    """One makes an array, the next adds it up."""
    return add(make(length, start))


@flow
def fan_out(size: int, start: int) -> tuple[float, int]:
    """Many, and one that takes the values of all."""
    summed = total.submit([same.submit(value) for value in values_of(size, start)])
    handed_over = time.perf_counter()
    return handed_over, summed.result()


class Prefect:
    """Flows need nothing around them but the server's address, which is in the environment."""

    one_task = staticmethod(one_task)
    chain = staticmethod(chain)
    large_value = staticmethod(large_value)
    fan_out = staticmethod(fan_out)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""


if __name__ == "__main__":
    main(Prefect())
