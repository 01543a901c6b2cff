"""Layers of tasks, each of which takes the values of two tasks of the layer before. ``mesh.py NODES RUNS``.

Twenty layers, whatever the number of nodes, and one task that adds up the last of them.
"""

from __future__ import annotations

import json
import sys
import time

import covalent as ct

WARMING = 100
LAYERS = 20
#: Values stay small, so that what is measured is tasks and not arithmetic.
MODULUS = 1_000_003


@ct.electron
def join(left: int, right: int) -> int:
    """A task: of two values, one."""
    return (left + right + 1) % 1_000_003


@ct.electron
def total(values: list[int]) -> int:
    """The sum of the last layer."""
    return sum(values)


@ct.lattice
def workflow(width: int, start: int) -> int:
    """The workflow: a layer on the other."""
    values = list(range(start, start + width))
    for _ in range(LAYERS):
        values = [join(values[place], values[(place + 1) % width]) for place in range(width)]
    return total(values)


def expected(width: int, start: int) -> int:
    """The same without Covalent."""
    values = list(range(start, start + width))
    for _ in range(LAYERS):
        values = [(values[place] + values[(place + 1) % width] + 1) % MODULUS for place in range(width)]
    return sum(values)


def run(nodes: int, start: int) -> float:
    """Tasks a second, from `ct.dispatch`, which traces, to the value."""
    width = nodes // LAYERS
    began = time.perf_counter()
    got = ct.get_result(ct.dispatch(workflow)(width, start), wait=True).result
    seconds = time.perf_counter() - began
    if got != expected(width, start):
        raise SystemExit(f"{nodes} nodes from {start} give {expected(width, start)}, not {got!r}")
    return nodes / seconds


if __name__ == "__main__":
    run(WARMING, 0)
    samples = [run(int(sys.argv[1]), number) for number in range(int(sys.argv[2]))]
    print(json.dumps({f"mesh_{sys.argv[1]}_per_s": samples}))
