"""Asset files that are kept compressed, where that makes them smaller: with zstd, an extra of the server.

A compressed file stands beside where the plain one would, with an ending of its own. It is written when all of an asset
has arrived, hashed and whole, and its bytes are plain again wherever they are read, so that nothing else of the server
knows of it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from covalent_server.errors import SettingsError

#: How the name of a compressed file ends.
SUFFIX: Final = ".zst"
#: What zstd itself takes for a good middle between speed and size.
_LEVEL: Final = 3
#: How many bytes are tried at the beginning, in the middle and before the end of a file.
_SAMPLE: Final = 64 * 1024
#: To which part of its size the sample has to shrink.
_WORTH: Final = 0.9


class Source(Protocol):
    """Where the plain bytes of a file are read from."""

    def read(self, size: int, /) -> bytes:
        """So many bytes at most, nothing after the last one; OSError where they cannot be read."""


class DamagedError(Exception):
    """The bytes of a file are not what was written."""


class _Decompressing:
    """The plain bytes of a compressed file."""

    def __init__(self, file: BinaryIO) -> None:
        zstd = library()
        self._stream = zstd.ZstdDecompressor().stream_reader(file)
        self._error = zstd.ZstdError

    def read(self, size: int, /) -> bytes:
        """As :class:`Source`; raises DamagedError, too."""
        try:
            return bytes(self._stream.read(size))
        except self._error as error:
            raise DamagedError(str(error)) from None


def source(path: Path, file: BinaryIO) -> Source:
    """Where to read the plain bytes of an open file from."""
    return _Decompressing(file) if path.suffix == SUFFIX else file


def shrinks(path: Path) -> bool:
    """Whether a sample of a file's bytes becomes smaller by a tenth or more."""
    with path.open("rb") as file:
        last = max(0, os.fstat(file.fileno()).st_size - _SAMPLE)
        sample = b"".join(_piece(file, place) for place in sorted({0, last // 2, last}))
    return len(library().ZstdCompressor(level=_LEVEL).compress(sample)) <= _WORTH * len(sample)


def write(plain: Path, compressed: Path) -> None:
    """Compress a file into another."""
    with plain.open("rb") as taken, compressed.open("xb") as given:
        library().ZstdCompressor(level=_LEVEL).copy_stream(taken, given, size=os.fstat(taken.fileno()).st_size)


def library() -> Any:
    """The package that does it; raises SettingsError, saying what to install, where it is missing."""
    try:
        import zstandard  # noqa: PLC0415 - an extra, and few servers need it
    except ImportError:
        raise SettingsError(
            "compressed assets need the package zstandard; run: pip install 'covalent-server[zstd]', also when "
            "compress_assets was turned off again: what was stored meanwhile stays compressed"
        ) from None
    return zstandard


def _piece(file: BinaryIO, place: int) -> bytes:
    file.seek(place)
    return file.read(_SAMPLE)
