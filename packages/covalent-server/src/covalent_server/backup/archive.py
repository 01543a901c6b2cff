"""One file of many, written and read from its beginning to its end: a tar archive, which other programs read as well.

Neither side has more than a piece in memory. What comes in turn is yielded, and whatever cannot be read to its end
leaves nothing in the archive.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from covalent_server.errors import DamagedDataError

_BLOCK: Final = tarfile.BLOCKSIZE
_PIECE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A file that is in the archive."""

    name: str
    size: int
    sha256: str


class Archive:
    """An archive that is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, name: str, size: int, pieces: Iterable[bytes]) -> Added:
        """Add a file of so many bytes; when they cannot be had, nothing of it is added."""
        start = self._file.tell()
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        sha = hashlib.sha256()
        try:
            self._file.write(member.tobuf(tarfile.GNU_FORMAT))
            for piece in pieces:
                sha.update(piece)
                self._file.write(piece)
        except BaseException:
            self._file.seek(start)
            self._file.truncate()
            raise
        self._file.write(bytes(-size % _BLOCK))
        return Added(name=name, size=size, sha256=sha.hexdigest())

    def close(self) -> None:
        """Write the end, and have everything on the disk."""
        self._file.write(bytes(2 * _BLOCK))
        self._file.flush()
        os.fsync(self._file.fileno())


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file in an archive that is read; its pieces are to be read before the next one is asked for."""

    name: str
    size: int
    pieces: Iterator[bytes]


def members(file: BinaryIO) -> Iterator[Member]:
    """The files of an archive, one after the other; raises DamagedDataError for what is none, or was cut short."""
    while True:
        block = file.read(_BLOCK)
        if block == bytes(_BLOCK):
            return
        try:
            found = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError) as error:
            raise DamagedDataError(f"it is damaged, or no backup ({error})") from None
        if not found.isreg():
            raise DamagedDataError(f"it is no backup of Covalent: {found.name!r} in it is not a file")
        end = file.tell() + found.size + -found.size % _BLOCK
        yield Member(name=found.name, size=found.size, pieces=pieces(file, found.size))
        file.seek(end)


def pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """So many bytes of a file; raises DamagedDataError when there are fewer."""
    left = size
    while left:
        piece = file.read(min(_PIECE, left))
        if not piece:
            raise DamagedDataError("it was cut short")
        left -= len(piece)
        yield piece
