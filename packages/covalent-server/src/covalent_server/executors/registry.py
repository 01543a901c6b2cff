"""The executors this server knows, and where each one's tasks run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from covalent.wire.pool_tokens import WORKER_POOL, check_pool
from covalent_server.core.errors import ExecutorRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from covalent.wire.manifest import Metadata

LOCAL: Final = "local"
#: Tasks on a Dask cluster: its pool is the address of the scheduler, its worker a bridge to that.
DASK: Final = "dask"
KNOWN: Final = (LOCAL, WORKER_POOL, DASK)
#: The pools in which directories are looked at: of the local executor's interpreters, but apart from users' tasks.
OBSERVER: Final = "observer"
#: Executors that no provisioner can be for.
OWN: Final = (LOCAL, OBSERVER, WORKER_POOL, DASK)
#: Attributes that each task has for itself: tasks that differ in nothing else share a pool.
_OF_TASKS: Final = frozenset(
    {
        *("workdir", "create_unique_workdir", "keep_workdir", "time_limit", "retries", "store_files", "resources"),
        *("remote_workdir", "env", "log_stdout", "log_stderr", "cache_dir"),
    }
)
#: In characters: databases put a pool's place into an index.
_LONGEST_PLACE: Final = 2000
#: Directories that one of their workers looks at at a time; further ones take turns.
OBSERVER_SLOTS: Final = 32


#: What to do where local tasks are not run.
_ELSEWHERE: Final = (
    "run tasks on workers, which `covalent-worker --pool NAME` starts: ct.executor.WorkerPoolExecutor('NAME') for the "
    'lattice, which its electrons take over, or executor = "worker_pool" below [defaults] in covalent.toml. Who runs '
    "the server may allow interpreters with local_interpreters"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine that local tasks run on."""

    host: str
    #: The interpreters that they may run in, None for any.
    interpreters: frozenset[str] | None = None

    def refusal(self, python: object) -> str:
        """Why no local task may run in an interpreter; empty where one may."""
        if self.interpreters is None or python in self.interpreters:
            return ""
        if not self.interpreters:
            return f"this server runs no local tasks, because other machines reach it: {_ELSEWHERE}"
        allowed = ", ".join(sorted(self.interpreters))
        return f"this server runs local tasks with {allowed} alone, not with {python}: name one, or {_ELSEWHERE}"


def place_of(metadata: Metadata, path: str, here: Machine) -> str:
    """What tells the pool of these tasks apart from others of their executor; refuses what cannot work here.

    An unknown executor is no reason to refuse a dispatch: it fails its own nodes when their turn comes.
    """
    data = metadata.executor_data
    if metadata.executor == WORKER_POOL:
        return check_pool(data.get("pool"), f"{path}.executor_data.pool")
    if metadata.executor == DASK:
        return _scheduler(data, f"{path}.executor_data")
    if metadata.executor != LOCAL:
        return "" if metadata.executor == OBSERVER else _distinguished(data, f"{path}.executor_data")
    python, wanted = data.get("python"), data.get("host", here.host)
    if here.interpreters is not None and (refusal := here.refusal(python)):
        raise ExecutorRefusedError(refusal, f"{path}.executor")
    if wanted != here.host:
        raise ExecutorRefusedError(
            f"the local executor runs tasks on the machine that dispatches them ({wanted}), but this server is on "
            f"{here.host}; start a server on your machine with `covalent start`, or name an executor that it has",
            f"{path}.executor_data.host",
        )
    if not isinstance(python, str) or not PurePath(python).is_absolute() or "\0" in python:
        raise ExecutorRefusedError(
            "the local executor needs the absolute path of a Python interpreter, LocalExecutor(python=...)",
            f"{path}.executor_data.python",
        )
    _check_directories(data, f"{path}.executor_data")
    return python


def _scheduler(data: Mapping[str, Any], path: str) -> str:
    address = data.get("scheduler_address")
    if not isinstance(address, str) or not 0 < len(address) <= _LONGEST_PLACE or "\0" in address:
        raise ExecutorRefusedError(
            "the Dask executor needs the address of a scheduler, DaskExecutor(scheduler_address='tcp://host:8786')",
            f"{path}.scheduler_address",
        )
    return address


def bridge_python(data: Mapping[str, Any], here: Machine) -> str | None:
    """The interpreter on this machine that a bridge to a task's Dask cluster can be started with, if there is one."""
    bridge = data.get("bridge")
    if not isinstance(bridge, dict) or bridge.get("host") != here.host:
        return None
    python = bridge.get("python")
    if not isinstance(python, str) or not PurePath(python).is_absolute() or "\0" in python or here.refusal(python):
        return None
    return python


def _distinguished(data: Mapping[str, Any], path: str) -> str:
    """The attributes of an executor whose workers a provisioner starts, but for what each task has for itself."""
    own = {name: value for name, value in data.items() if name not in _OF_TASKS and value is not None}
    text = json.dumps(own, sort_keys=True, separators=(",", ":"))
    if len(text) > _LONGEST_PLACE:
        raise ExecutorRefusedError(
            f"an executor's attributes, but for those that each task has for itself, may take {_LONGEST_PLACE} "
            f"characters of JSON, and these take {len(text)}; put what is long into a file where the workers run",
            path,
        )
    return text


def _check_directories(data: Mapping[str, Any], path: str) -> None:
    workdir = data.get("workdir")
    if workdir is not None and not (
        isinstance(workdir, str) and PurePath(workdir).is_absolute() and "\0" not in workdir
    ):
        raise ExecutorRefusedError("the working directory has to be an absolute path", f"{path}.workdir")
    for name in ("create_unique_workdir", "keep_workdir"):
        if not isinstance(data.get(name), bool | None):
            raise ExecutorRefusedError("expected true or false", f"{path}.{name}")


def startable(executor: str, place: str) -> bool:
    """Whether this server starts workers for a pool. An ``observer`` that a user named has no place."""
    return executor in (LOCAL, DASK) or (executor == OBSERVER and bool(place))


def unknown_reason(executor: str, provisioned: Iterable[str]) -> str:
    """Why a node of an unknown executor fails; ``provisioned`` are those that have had a provisioner."""
    return (
        f"this server has no executor {executor!r}; it has: {', '.join((*KNOWN, *provisioned))}. One that a package "
        f"brings is known once its provisioner runs: covalent-worker --provision {executor}"
    )
