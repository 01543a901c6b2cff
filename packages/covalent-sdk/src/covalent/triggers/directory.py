"""The trigger that fires when things change in a directory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from covalent import executors, observer
from covalent.transportable import TransportableObject
from covalent.triggers.declared import Prepared, Trigger
from covalent.wire import triggers as wire
from covalent.wire.triggers import MOST_CHANGES, Change

#: What tells where a directory is looked at.
_PLACE: Final = ("python", "python_version", "host")


@dataclass
class DirTrigger(Trigger):
    """Starts the workflow when ``batch_size`` changes have come together in a directory of this machine.

    ``event_names`` is one or several of ``created``, ``modified``, ``deleted``, ``moved`` and ``closed`` (a file that
    was created or modified and is being left alone since). With ``recursive`` its directories are looked into, too.
    A process in this Python environment looks every second or so, from the state in which the directory is when the
    workflow is dispatched; what came and went between two looks leaves no trace.
    """

    dir_path: str | os.PathLike[str]
    event_names: str | Sequence[str]
    batch_size: int = 1
    recursive: bool = False
    lattice_dispatch_id: str | None = None
    dispatcher_addr: str | None = None
    triggers_server_addr: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.dir_path, os.PathLike):
            self.dir_path = os.fspath(self.dir_path)
        if isinstance(self.event_names, (set, frozenset)):
            self.event_names = sorted(self.event_names)
        self.check()

    def check(self) -> None:
        """Raise TypeError or ValueError for a directory that is not there, or for changes that nobody knows."""
        _directory(self.dir_path)
        _changes(self.event_names)
        _check_numbers(self.batch_size, self.recursive)

    def prepared(self) -> Prepared:
        """What is sent of it, with what there is to see in the directory now."""
        self.check()
        path = _directory(self.dir_path)
        seen = TransportableObject(observer.Seen(entries=observer.entries(path, recursive=self.recursive)))
        function = TransportableObject(observer.observe)
        place = executors.resolve("local", {})
        directory = wire.Directory(
            path=path,
            changes=_changes(self.event_names),
            batch_size=self.batch_size,
            recursive=self.recursive,
            function=function.asset_id,
            seen=seen.asset_id,
            executor_data={name: place[name] for name in _PLACE},
        )
        return Prepared(record=wire.Trigger(directory=directory), assets=(function, seen))


def _directory(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError(f"dir_path is the path of a directory, not {given!r}")
    path = Path(given).expanduser()
    if not path.is_absolute():
        raise ValueError(f"dir_path={given!r} is relative, and who looks at it later is elsewhere; write a whole path")
    if not path.is_dir():
        there = "is no directory" if path.exists() else "is not there"
        raise ValueError(f"dir_path={given!r} {there} on this machine; make it first, or correct the path")
    return str(path)


def _changes(given: Any) -> tuple[Change, ...]:
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, (list, tuple)) or not names:
        raise TypeError(f"event_names is one or several of {', '.join(Change)}, not {given!r}")
    for name in names:
        if name not in Change.__members__.values():
            raise ValueError(f"{name!r} in event_names is nothing that can happen; there are: {', '.join(Change)}")
    return tuple(dict.fromkeys(Change(name) for name in names))


def _check_numbers(batch_size: object, recursive: object) -> None:
    if not isinstance(batch_size, int) or isinstance(batch_size, bool):
        raise TypeError(f"batch_size is a number of changes, not {batch_size!r}")
    if not 1 <= batch_size <= MOST_CHANGES:
        raise ValueError(f"batch_size is a number of changes from 1 to {MOST_CHANGES}, not {batch_size}")
    if not isinstance(recursive, bool):
        raise TypeError(f"recursive is True or False, not {recursive!r}")
