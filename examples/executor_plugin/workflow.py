"""A workflow whose tasks run on the example's executor; start its provisioner first, see README.md."""

from __future__ import annotations

import os

import covalent as ct


@ct.electron
def process_of_a_worker() -> int:
    """The process that the task's worker is."""
    return os.getppid()


@ct.lattice(executor=ct.executor.ProcessExecutor(niceness=3))
def workflow() -> list[int]:
    """Two tasks, one after the other."""
    first, second = process_of_a_worker(), process_of_a_worker()
    ct.wait(second, [first])
    return [first, second]


if __name__ == "__main__":
    print(ct.dispatch_sync(workflow)().result)
