"""The workloads with DBOS: steps of a workflow, one after the other, which is its fastest way for tasks this small.

Its other ways to many tasks, a workflow for each on a queue or in the background, take several times as long.
"""

from __future__ import annotations

import time
from typing import Self

import numpy as np
from dbos import DBOS

from benchmarks.peers.dbos.cluster import config
from benchmarks.workload import main, values_of


@DBOS.step()
def same(value: int) -> int:
    """A task that does nothing."""
    return value


@DBOS.step()
def after(value: int) -> int:
    """One more."""
    return value + 1


@DBOS.step()
def make(length: int, start: int) -> np.ndarray:
    """A large value."""
    return np.arange(start, start + length, dtype=np.int64)


@DBOS.step()
def add(array: np.ndarray) -> int:
    """A small value of a large one."""
    return int(array.sum())


@DBOS.step()
def total(values: list[int]) -> int:
    """The sum of many values."""
    return sum(values)


@DBOS.workflow()
def one_task(value: int) -> int:
    """One step."""
    return same(value)


@DBOS.workflow()
def chain(length: int, start: int) -> int:
    """One after the other."""
    value = start
    for _ in range(length):
        value = after(value)
    return value


@DBOS.workflow()
def large_value(length: int, start: int) -> int:
    """One makes an array, the next adds it up."""
    return add(make(length, start))


@DBOS.workflow()
def fan_out(size: int, start: int) -> int:
    """Many, and one that takes the values of all."""
    return total([same(value) for value in values_of(size, start)])


class Dbos:
    """DBOS, launched in this process."""

    one_task = staticmethod(one_task)
    chain = staticmethod(chain)
    large_value = staticmethod(large_value)

    def __enter__(self) -> Self:
        DBOS(config=config("bench.sqlite"))
        DBOS.launch()
        return self

    def __exit__(self, *_: object) -> None:
        DBOS.destroy()

    def fan_out(self, size: int, start: int) -> tuple[float, int]:
        """The workflow; it is handed over when it has begun in the background."""
        handle = DBOS.start_workflow(fan_out, size, start)
        handed_over = time.perf_counter()
        return handed_over, handle.get_result()


if __name__ == "__main__":
    main(Dbos())
