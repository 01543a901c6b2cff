"""What ``ct.executor`` offers: where tasks are to run.

An executor may also be given by its short name, ``executor="slurm"``. Either way what is left open is taken from its
table in the configuration, ``[executors.slurm]``. Executors of other packages are here as well: those that are named in
the entry points ``covalent.executors`` of what is installed.
"""

from __future__ import annotations

from covalent.executors.local import LocalExecutor
from covalent.executors.remote import DaskExecutor, SlurmExecutor, SSHExecutor, WorkerPoolExecutor

__all__ = ["DaskExecutor", "LocalExecutor", "SSHExecutor", "SlurmExecutor", "WorkerPoolExecutor"]


def __getattr__(name: str) -> object:
    if name.startswith("_") or not name.endswith("Executor"):
        raise AttributeError(f"module 'covalent.executor' has no attribute {name!r}")
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow, and most executors are found without

    for entry in entry_points(group="covalent.executors", name=name):
        return entry.load()
    kind = name.removesuffix("Executor").lower()
    raise AttributeError(
        f"there is no ct.executor.{name}; there are {', '.join(__all__)}. An executor of another kind is given by its "
        f"short name, as executor={kind!r}, and its attributes stand in [executors.{kind}] of covalent.toml"
    )
