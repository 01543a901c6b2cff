"""What a strategy is, and what it is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Protocol


class End(Protocol):
    """One end of a transfer, a ``ct.fs.File`` or a ``ct.fs.Folder``."""

    @property
    def filepath(self) -> str | None:
        """The path or the address; of a local end an absolute path."""

    @property
    def scheme(self) -> str:
        """The beginning of the address, ``https``; ``file`` for a local path."""

    @property
    def path(self) -> Path:
        """The local path."""

    @property
    def is_dir(self) -> bool:
        """Whether it is a folder."""

    @property
    def is_remote(self) -> bool:
        """Whether it is on another machine."""


class FileTransferStrategy(ABC):
    """How files come from and go to one kind of place. It is sent along with the workflow and runs in the worker.

    A local target is a path in an empty directory, from which the file takes its place when all of it is there; a
    folder exists already, and is empty.
    """

    def check(self, from_file: Any, to_file: Any) -> None:  # noqa: B027 - who has nothing to refuse leaves it out
        """Raise ValueError, when a transfer is declared, for ends that this strategy cannot serve."""

    @abstractmethod
    def upload(self, from_file: Any, to_file: Any) -> Any:
        """Copy a local file or folder to a remote place."""

    @abstractmethod
    def download(self, from_file: Any, to_file: Any) -> Any:
        """Copy a remote file or folder to a local place."""

    @abstractmethod
    def cp(self, from_file: Any, to_file: Any) -> Any:
        """Copy between two local places, or between two remote ones."""

    def __repr__(self) -> str:
        # Not its attributes: they may be credentials.
        return f"{type(self).__name__}()"
