"""What is to be brought to a task or taken from it, as a user declares it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from covalent.fs.files import File, Folder
from covalent.fs_strategies import FileTransferStrategy
from covalent.fs_strategies.choice import fitting

Path = str | os.PathLike[str] | File


class Order(StrEnum):
    """When a transfer takes place."""

    #: Before the task's function.
    BEFORE = "before"
    #: After it, if it was well.
    AFTER = "after"


class FileTransfer:
    """A file or folder that is copied in the worker, before a task or after it.

    A missing end is a temporary file, which is removed when the task is over.
    """

    def __init__(
        self,
        from_file: Path | None = None,
        to_file: Path | None = None,
        order: Order = Order.BEFORE,
        strategy: FileTransferStrategy | None = None,
    ) -> None:
        self.order = _order(order)
        folder = isinstance(from_file, Folder) or isinstance(to_file, Folder)
        self.from_file = _end("from_file", from_file, folder=folder)
        self.to_file = _end("to_file", to_file, folder=folder)
        self._check_ends()
        if strategy is not None and not isinstance(strategy, FileTransferStrategy):
            raise TypeError(
                f"strategy takes an object such as ct.fs_strategies.HTTP(), not {strategy!r}; "
                "your own is a subclass of ct.fs_strategies.FileTransferStrategy"
            )
        self.strategy: FileTransferStrategy = strategy or fitting(self.from_file, self.to_file)
        self.strategy.check(self.from_file, self.to_file)

    def _check_ends(self) -> None:
        if self.order is Order.BEFORE and self.from_file.filepath is None:
            raise ValueError("a transfer before the task takes from_file: there is nothing in a temporary file yet")
        if self.order is Order.AFTER and self.to_file.filepath is None:
            raise ValueError("a transfer after the task takes to_file: a temporary file would be removed at once")
        if self.from_file.is_dir is not self.to_file.is_dir:
            raise ValueError(f"{self.from_file!r} cannot become {self.to_file!r}: make both a ct.fs.Folder, or none")

    def to_dict(self) -> dict[str, Any]:
        """What there is to see of it, as plain JSON; nothing of what its strategy keeps."""
        attributes = {
            "from_file": None if self.from_file.filepath is None else str(self.from_file),
            "to_file": None if self.to_file.filepath is None else str(self.to_file),
            "is_dir": self.from_file.is_dir,
            "order": str(self.order),
            "strategy": type(self.strategy).__name__,
        }
        return {"type": "FileTransfer", "attributes": attributes}

    def __repr__(self) -> str:
        return f"FileTransfer({self.from_file!r}, {self.to_file!r}, {str(self.order)!r}, {self.strategy!r})"


def TransferFromRemote(  # noqa: N802 - as scripts have always called it
    from_filepath: Path,
    to_filepath: Path | None = None,
    strategy: FileTransferStrategy | None = None,
    order: Order = Order.BEFORE,
) -> FileTransfer:
    """A file or folder that is fetched, by default before the task."""
    return FileTransfer(_remote(from_filepath), to_filepath, order, strategy)


def TransferToRemote(  # noqa: N802 - as scripts have always called it
    to_filepath: Path,
    from_filepath: Path | None = None,
    strategy: FileTransferStrategy | None = None,
    order: Order = Order.AFTER,
) -> FileTransfer:
    """A file or folder that is sent, by default after the task."""
    return FileTransfer(from_filepath, _remote(to_filepath), order, strategy)


Files = FileTransfer | Sequence[FileTransfer] | None


def checked(files: object) -> tuple[FileTransfer, ...]:
    """The transfers that a user gave for ``files``: one or several."""
    items = files if isinstance(files, (list, tuple)) else [files]
    for item in items:
        if not isinstance(item, FileTransfer):
            raise TypeError(
                f"files takes transfers such as ct.fs.TransferFromRemote({item!r}), not {item!r}"
                if isinstance(item, (str, os.PathLike))
                else f"files takes ct.fs.FileTransfer(...)s, not {item!r}"
            )
    return tuple(items)


def _end(name: str, given: Path | None, *, folder: bool) -> File:
    if isinstance(given, File):
        return given
    if given is not None and not isinstance(given, (str, os.PathLike)):
        raise TypeError(f"{name} takes a path, an address, a ct.fs.File or a ct.fs.Folder, not {given!r}")
    return Folder(given) if folder else File(given)


def _remote(given: Path) -> File:
    end = _end("a remote end", given, folder=False)
    return type(end)(end.filepath, is_remote=True)


def _order(given: str) -> Order:
    try:
        return Order(given)
    except ValueError:
        raise ValueError(f"order is ct.fs.Order.BEFORE or ct.fs.Order.AFTER, not {given!r}") from None
