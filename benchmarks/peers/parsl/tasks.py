"""The workloads with Parsl: futures as arguments of apps, which the high throughput executor runs."""

from __future__ import annotations

import time
from typing import Any, Self

import parsl
from parsl import python_app

from benchmarks.peers.parsl.cluster import config
from benchmarks.workload import main, values_of


@python_app
def same(value: int) -> int:
    """A task that does nothing."""
    return value


@python_app
def after(value: int) -> int:
    """One more."""
    return value + 1


@python_app
def make(length: int, start: int) -> Any:
    """A large value."""
    import numpy as np  # noqa: PLC0415  an app imports what it uses

    return np.arange(start, start + length, dtype=np.int64)


@python_app
def add(array: Any) -> int:
    """A small value of a large one."""
    return int(array.sum())


@python_app
def total(inputs: list[int]) -> int:
    """The sum of many values; Parsl waits for the futures in ``inputs``."""
    return sum(inputs)


class Parsl:
    """A kernel with workers of its own."""

    def __enter__(self) -> Self:
        self._kernel = parsl.load(config())
        return self

    def __exit__(self, *_: object) -> None:
        self._kernel.cleanup()
        parsl.clear()

    def one_task(self, value: int) -> int:
        """One task."""
        got: int = same(value).result()
        return got

    def chain(self, length: int, start: int) -> int:
        """One after the other."""
        value = start
        for _ in range(length):
            value = after(value)
        got: int = value.result()  # type: ignore[attr-defined]  # by now it is a future
        return got

    def large_value(self, length: int, start: int) -> int:
        """One makes an array, the next adds it up."""
        got: int = add(make(length, start)).result()
        return got

    def fan_out(self, size: int, start: int) -> tuple[float, int]:
        """Many, and one that takes the values of all."""
        summed = total(inputs=[same(value) for value in values_of(size, start)])
        handed_over = time.perf_counter()
        return handed_over, summed.result()


if __name__ == "__main__":
    main(Parsl())
