"""What every peer runs, and how it is timed: the same shapes as the scripts in ``workloads/`` have for ours.

A peer's ``tasks.py`` gives its way of running four workflows; here their values are compared with what they have to
be, and the time is taken until the caller has the value. Something small runs first, unmeasured. It is run by the
peer's interpreter as ``python -m benchmarks.peers.NAME.tasks WORKLOAD NUMBERS [then WORKLOAD NUMBERS ...]``, and prints
a line of JSON with the samples of each workload.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Final, Protocol, Self

Samples = dict[str, list[float]]

_WARMING: Final = 5
_WARMING_FAN: Final = 20
#: Numbers of eight bytes each: 50 MB.
_LENGTH: Final = 50_000_000 // 8


class Tasks(Protocol):
    """A peer's way of running each workflow."""

    def __enter__(self) -> Self:
        """Connect, or start what lives in this process."""

    def __exit__(self, *_: object) -> None:
        """Let go of it."""

    def one_task(self, value: int) -> int:
        """The value of one task that returns what it is given."""

    def chain(self, length: int, start: int) -> int:
        """The value of the last task of a row, each of which adds one to the value before."""

    def large_value(self, length: int, start: int) -> int:
        """The sum, made by one task, of the ``length`` numbers from ``start`` that another one made."""

    def fan_out(self, size: int, start: int) -> tuple[float, int]:
        """When all was handed over, and the sum, made by one task, of the values of ``size`` others."""


def values_of(size: int, start: int) -> range:
    """What the independent tasks return."""
    return range(start, start + size)


def one_task(tasks: Tasks, runs: int) -> Samples:
    """W1: milliseconds, of the very first task too."""

    def run(value: int) -> float:
        began = time.perf_counter()
        got = tasks.one_task(value)
        seconds = time.perf_counter() - began
        _expect(got, value)
        return seconds * 1000

    first = run(0)
    for number in range(_WARMING):
        run(number)
    return {"first_task_ms": [first], "one_task_ms": [run(1000 + number) for number in range(runs)]}


def chain(tasks: Tasks, length: int, runs: int) -> Samples:
    """W3: milliseconds for each hop."""

    def run(start: int, hops: int) -> float:
        began = time.perf_counter()
        got = tasks.chain(hops, start)
        seconds = time.perf_counter() - began
        _expect(got, start + hops)
        return seconds / hops * 1000

    run(0, _WARMING)
    return {f"chain_{length}_ms": [run(number, length) for number in range(runs)]}


def large_value(tasks: Tasks, runs: int) -> Samples:
    """W4: seconds."""

    def run(start: int, length: int) -> float:
        began = time.perf_counter()
        got = tasks.large_value(length, start)
        seconds = time.perf_counter() - began
        _expect(got, length * start + length * (length - 1) // 2)
        return seconds

    run(0, 1000)
    return {"large_value_s": [run(1 + number, _LENGTH) for number in range(runs)]}


def fan_out(tasks: Tasks, size: int, runs: int) -> Samples:
    """W2 and W7: tasks a second, and seconds until the caller has handed them over."""

    def run(start: int, many: int) -> tuple[float, float]:
        began = time.perf_counter()
        handed_over, got = tasks.fan_out(many, start)
        seconds = time.perf_counter() - began
        _expect(got, sum(values_of(many, start)))
        return handed_over - began, many / seconds

    run(0, _WARMING_FAN)
    measured = [run(number, size) for number in range(runs)]
    return {
        f"hand_over_{size}_s": [handed_over for handed_over, _ in measured],
        f"fan_out_{size}_per_s": [rate for _, rate in measured],
    }


WORKLOADS: Final[dict[str, Callable[..., Samples]]] = {
    workload.__name__: workload for workload in (one_task, chain, large_value, fan_out)
}


def main(tasks: Tasks) -> None:
    """Run the workloads that the command line names, with ``then`` between them."""
    with tasks as entered:
        for name, *numbers in _split(sys.argv[1:]):
            print(json.dumps(WORKLOADS[name](entered, *map(int, numbers))), flush=True)


def _split(words: list[str]) -> list[list[str]]:
    steps: list[list[str]] = [[]]
    for word in words:
        if word == "then":
            steps.append([])
        else:
            steps[-1].append(word)
    return steps


def _expect(got: object, expected: int) -> None:
    if got != expected:
        raise SystemExit(f"the value has to be {expected}, and it is {got!r}")
