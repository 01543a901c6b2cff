"""What is in a file or a folder, as bytes that lie in a file and are never in memory as a whole.

A folder is a tar archive in which equal folders are equal bytes: names in order, and neither owners nor times.
"""

from __future__ import annotations

import io
import mmap
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from covalent import context
from covalent.errors import FileTransferError

if TYPE_CHECKING:
    import tarfile

#: How much is written at a time, in bytes.
_CHUNK_BYTES: Final = 1 << 20


def of_file(path: Path) -> memoryview:
    """The bytes of a file, mapped."""
    with path.open("rb") as file:
        return _mapped(file)


def of_folder(path: Path) -> memoryview:
    """A folder with all that is in it as an archive, mapped; FileTransferError for what only makes sense there."""
    import tarfile  # noqa: PLC0415 - few tasks give folders

    with tempfile.TemporaryFile(dir=context.temporary()) as file:
        with tarfile.open(fileobj=file, mode="w:", format=tarfile.PAX_FORMAT) as archive:
            for item in _all_in(path):
                archive.add(item, item.relative_to(path).as_posix(), recursive=False, filter=_without_chance)
        file.flush()
        return _mapped(file)


def write_file(data: memoryview, path: Path) -> None:
    """Write a file's bytes."""
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(data), _CHUNK_BYTES):
            view = data[start : start + _CHUNK_BYTES]
            while view:
                view = view[file.write(view) :]


def write_folder(data: memoryview, path: Path) -> None:
    """Unpack a folder's archive into a new directory; nothing in it gets outside."""
    import tarfile  # noqa: PLC0415 - few tasks take folders

    if not hasattr(tarfile, "data_filter"):
        raise FileTransferError("this Python unpacks no folders safely; upgrade it to 3.11.4 or newer")
    path.mkdir()
    with tarfile.open(fileobj=_Reader(data), mode="r:") as archive:
        archive.extractall(path, filter="data")


def _mapped(file: IO[bytes]) -> memoryview:
    if not os.fstat(file.fileno()).st_size:
        return memoryview(b"")
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _all_in(folder: Path, whole: Path | None = None) -> Iterator[Path]:
    """All that is below a folder of a ``whole``, what is above first, in an order that is always the same."""
    whole = whole or folder
    for item in sorted(folder.iterdir()):
        kind = item.lstat().st_mode
        if stat.S_ISLNK(kind):
            _check_link(item, whole)
        elif not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
            raise FileTransferError(f"{item} is neither a file nor a folder; remove it before the folder is stored")
        yield item
        if stat.S_ISDIR(kind):
            yield from _all_in(item, whole)


def _check_link(link: Path, folder: Path) -> None:
    leads = link.readlink()
    inside = f"{os.path.realpath(link)}/".startswith(f"{os.path.realpath(folder)}/")  # a loop of links is one, too
    if leads.is_absolute() or not inside:
        raise FileTransferError(
            f"{link} leads out of the folder, to {leads}; copy there what it leads to before the folder is stored"
        )


def _without_chance(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    entry.mode = 0o755 if entry.mode & 0o100 else 0o644
    return entry


class _Reader(io.RawIOBase):
    """Bytes as a file that is read from; ``io.BytesIO`` would copy all of them."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._data[self._at : self._at + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self._data)}[whence]
        return self._at

    def tell(self) -> int:
        return self._at
