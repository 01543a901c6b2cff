"""Who is measured beside us: each has a directory with what is installed, how it starts, and how it runs the tasks.

``requirements.txt`` pins the peer, ``cluster.py`` starts it (:mod:`benchmarks.peers.ready`), ``tasks.py`` runs the
workloads as the peer's documentation tells its users to (:mod:`benchmarks.workload`). Both programs run in the
peer's own environment, so that this module imports nothing but the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the bench and its report have to know of a peer."""

    #: Also the name of its directory.
    name: str
    title: str
    #: The package whose version is told.
    distribution: str
    #: What is imported.
    module: str
    #: A program that loads what its tasks use.
    use: str
    #: Whether a task's value is on disk before the caller has it.
    on_disk: str
    #: Whether it lives in the process of the script that uses it, so that every script starts it anew.
    in_process: bool = False
    #: Whether it is given fewer tasks, in order to come to an end.
    slow: bool = False


PEERS: Final = (
    Facts(
        name="dask",
        title="Dask",
        distribution="distributed",
        module="distributed",
        use="from distributed import Client; Client.submit, Client.map",
        on_disk="no",
    ),
    Facts(
        name="ray",
        title="Ray",
        distribution="ray",
        module="ray",
        use="import ray; ray.init, ray.get",
        on_disk="no",
        in_process=True,
    ),
    Facts(
        name="parsl",
        title="Parsl",
        distribution="parsl",
        module="parsl",
        use="import parsl; from parsl.executors import HighThroughputExecutor; parsl.load, parsl.python_app",
        on_disk="no",
        in_process=True,
    ),
    Facts(
        name="dbos",
        title="DBOS",
        distribution="dbos",
        module="dbos",
        use="from dbos import DBOS; DBOS.step, DBOS.workflow",
        on_disk="yes, in process",
        in_process=True,
        slow=True,
    ),
    Facts(
        name="prefect",
        title="Prefect",
        distribution="prefect",
        module="prefect",
        use="from prefect import flow, task",
        on_disk="later",
        slow=True,
    ),
)
