"""The transfers of a task, in the worker: the calls before and after it that ``files=[...]`` stands for.

A local target appears whole or not at all: it is written in a directory beside it, and then takes its place.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from covalent import context
from covalent.errors import FileTransferError
from covalent.fs.files import File
from covalent.fs.transfers import FileTransfer, Order
from covalent.fs_strategies import Shutil
from covalent.hooks import HookError

_KEPT: Final = "files"


class _Ends(NamedTuple):
    source: File
    target: File

    @property
    def told(self) -> tuple[str, str]:
        return str(self.source.filepath), str(self.target.filepath)


def before(transfers: Sequence[FileTransfer]) -> list[tuple[str, str]]:
    """Make the transfers that come before the function; from where to where all of them go, as it is told."""
    # Looked up once: the function may change the directory that relative paths start in.
    ends = context.kept()[_KEPT] = [_ends(transfer, number) for number, transfer in enumerate(transfers)]
    _perform(transfers, ends, Order.BEFORE)
    return [pair.told for pair in ends]


def after(transfers: Sequence[FileTransfer]) -> None:
    """Make the transfers that come after the function."""
    _perform(transfers, context.kept()[_KEPT], Order.AFTER)


def _ends(transfer: FileTransfer, number: int) -> _Ends:
    source, target = transfer.from_file, transfer.to_file
    name = source.name or target.name or "file"
    # What is remote in name only is in a directory of this machine, mounted perhaps.
    here = isinstance(transfer.strategy, Shutil)
    source, target = (_placed(end, name, number, here=here or not end.is_remote) for end in (source, target))
    return _Ends(source, target)


def _placed(end: File, name: str, number: int, *, here: bool) -> File:
    """An end with the path that it has here, if it is here."""
    if not here:
        return end
    if end.filepath is not None:
        return type(end)(end.path)
    directory = context.temporary() / f"transfer-{number}"
    (directory / name if end.is_dir else directory).mkdir(parents=True)
    return type(end)(directory / name)


def _perform(transfers: Sequence[FileTransfer], ends: Sequence[_Ends], order: Order) -> None:
    for number, (transfer, (source, target)) in enumerate(zip(transfers, ends, strict=True), start=1):
        if transfer.order is not order:
            continue
        try:
            _transfer(transfer, source, target)
        except Exception as error:
            raise HookError(
                f"in transfer {number} of {len(transfers)}, {order} the task, from {source} to {target}"
            ) from error


def _transfer(transfer: FileTransfer, source: File, target: File) -> None:
    strategy = transfer.strategy
    if not source.is_remote:
        _check_source(source)
    if target.is_remote:
        _done((strategy.cp if source.is_remote else strategy.upload)(source, target))
        return
    copy = strategy.download if source.is_remote else strategy.cp
    final = target.path
    if final.is_dir() and not target.is_dir:
        raise FileTransferError(f"{final} is a folder; name the file in it: {final / source.name}")
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".covalent-", dir=final.parent) as directory:
        staged = Path(directory) / (final.name or "folder")
        if target.is_dir:
            staged.mkdir()
        _done(copy(source, type(target)(staged)))
        if not staged.exists():
            raise FileTransferError(f"the strategy {strategy!r} gave no error, and wrote nothing to {staged}")
        if staged.is_dir() is not target.is_dir:
            raise FileTransferError(f"{source} is a folder; write ct.fs.Folder({str(source)!r})")
        _take_place(staged, final)


def _done(returned: Any) -> None:
    """A strategy that was written for earlier Covalents returns what is to be called."""
    if callable(returned):
        returned()


def _check_source(source: File) -> None:
    path = source.path
    if not path.exists():
        if path.is_relative_to(context.temporary()):
            raise FileTransferError(f"the task has not written {path}: its parameter files tells the path to write to")
        raise FileTransferError(
            f"there is no {path} on the machine that the task runs on; relative paths start in the task's directory, "
            "not in the script's: give the whole path"
        )
    if path.is_dir() is not source.is_dir:
        wanted = "ct.fs.Folder" if path.is_dir() else "ct.fs.File"
        raise FileTransferError(f"{path} is {'a folder' if path.is_dir() else 'a file'}; write {wanted}({str(path)!r})")


def _take_place(staged: Path, final: Path) -> None:
    """Move a file, or a folder file by file if there is one already, to where it belongs."""
    if not staged.is_dir() or not final.exists():
        staged.replace(final)
        return
    for directory, folders, names in os.walk(staged):
        here, place = Path(directory), final / Path(directory).relative_to(staged)
        place.mkdir(exist_ok=True)
        for name in (*names, *(folder for folder in folders if (here / folder).is_symlink())):
            (here / name).replace(place / name)
