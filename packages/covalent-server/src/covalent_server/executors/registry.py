"""The executors this server knows, and where each one's tasks run."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from covalent_server.core.errors import ExecutorRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from covalent.wire.manifest import Metadata

LOCAL: Final = "local"
KNOWN: Final = (LOCAL,)
#: The pools in which directories are looked at: of the local executor's interpreters, but apart from users' tasks.
OBSERVER: Final = "observer"
#: Executors that no provisioner can be for.
OWN: Final = (LOCAL, OBSERVER)
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


def place_of(metadata: Metadata, path: str, host: str) -> str:
    """What tells the pool of these tasks apart from others of their executor; refuses what cannot work here.

    An unknown executor is no reason to refuse a dispatch: it fails its own nodes when their turn comes.
    """
    data = metadata.executor_data
    if metadata.executor != LOCAL:
        return "" if metadata.executor == OBSERVER else _distinguished(data, f"{path}.executor_data")
    python, wanted = data.get("python"), data.get("host", host)
    if wanted != host:
        raise ExecutorRefusedError(
            f"the local executor runs tasks on the machine that dispatches them ({wanted}), but this server is on "
            f"{host}; start a server on your machine with `covalent start`, or name an executor that this server has",
            f"{path}.executor_data.host",
        )
    if not isinstance(python, str) or not PurePath(python).is_absolute() or "\0" in python:
        raise ExecutorRefusedError(
            "the local executor needs the absolute path of a Python interpreter, LocalExecutor(python=...)",
            f"{path}.executor_data.python",
        )
    _check_directories(data, f"{path}.executor_data")
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
    return executor in KNOWN or (executor == OBSERVER and bool(place))


def unknown_reason(executor: str, provisioned: Iterable[str]) -> str:
    """Why a node of an unknown executor fails; ``provisioned`` are those that have had a provisioner."""
    return (
        f"this server has no executor {executor!r}; it has: {', '.join((*KNOWN, *provisioned))}. One that a package "
        f"brings is known once its provisioner runs: covalent-worker --provision {executor}"
    )
