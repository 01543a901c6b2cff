"""Assets as files, by digest, in a directory of the server's own; bytes pass through, never in one piece.

A file appears under its digest only when it is whole, hashed and on the disk. It is hashed again whenever it is read,
and its last piece is given away only when all of it was what was stored: a reader never has the whole of something
else. What was found damaged is set aside, so that nobody reads it again and good bytes can take its place.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from covalent.wire.template import is_digest
from covalent_server.core.errors import AssetMismatchError, LostAssetError
from covalent_server.storage import compression

#: How many bytes are read at a time.
PIECE: Final = 1024 * 1024
#: How many digits of a digest name its directory.
_SHARD: Final = 2
_ALTERED: Final = "is damaged: its bytes in the asset store are not those that were stored"
_GONE: Final = "is gone: its file is not in the asset store"
_UNREADABLE: Final = "cannot be read from the disk of the asset store"


class Upload:
    """A file on its way in; every method may block."""

    def __init__(self, store: FileStore, digest: str) -> None:
        self._store = store
        self._digest = digest
        #: Where the bytes are until they are finished.
        self.path = store.incoming / secrets.token_hex(16)
        self._compressed = self.path.with_suffix(compression.SUFFIX)
        self._file = self.path.open("xb", buffering=0)
        self._sha = hashlib.sha256()
        self.size = 0

    def close(self) -> None:
        """Let go of the file; what was not finished leaves nothing."""
        self._file.close()
        self.path.unlink(missing_ok=True)
        self._compressed.unlink(missing_ok=True)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes."""
        self._sha.update(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self.size += len(data)

    def small(self) -> bytes:
        """The bytes, checked, of an asset that is not to become a file."""
        self._check()
        return self.path.read_bytes()

    def finish(self) -> Path:
        """Check the digest, put the bytes on the disk and the file in its place."""
        self._check()
        file, target = self._kept()
        sync(file)
        if not target.parent.is_dir():
            target.parent.mkdir(mode=0o700, exist_ok=True)
            sync(target.parent.parent)
        file.rename(target)
        sync(target.parent)
        return target

    def _kept(self) -> tuple[Path, Path]:
        """The file that is to stay, and its place: as it came, or compressed."""
        plain = self._store.path(self._digest)
        if self._store.compress and compression.shrinks(self.path):
            compression.write(self.path, self._compressed)
            return self._compressed, plain.with_suffix(compression.SUFFIX)
        return self.path, plain

    def _check(self) -> None:
        found = self._sha.hexdigest()
        if found != self._digest:
            raise AssetMismatchError(
                f"the bytes have the digest {found}, not {self._digest}: they were damaged on the way, send them again"
            )


class Reading:
    """A file on its way out; every method may block, and raises LostAssetError for what is not as it was stored."""

    def __init__(self, store: FileStore, digest: str, size: int) -> None:
        self._digest = digest
        self._left = size
        self._sha = hashlib.sha256()
        path = store.stored(digest)
        try:
            self._file = path.open("rb", buffering=0)
        except FileNotFoundError:
            raise LostAssetError(digest, _ALTERED if store.aside(digest).exists() else _GONE) from None
        self._source = compression.source(path, self._file)
        if self._source is self._file and os.fstat(self._file.fileno()).st_size != size:
            self._file.close()
            raise LostAssetError(digest, _ALTERED)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def read(self) -> bytes:
        """The next piece, nothing after the last one."""
        if not self._left:
            return b""
        try:
            piece = self._source.read(min(PIECE, self._left))
        except compression.DamagedError:
            raise LostAssetError(self._digest, _ALTERED) from None
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise LostAssetError(self._digest, _UNREADABLE) from None
        self._sha.update(piece)
        self._left -= len(piece)
        if not piece or (not self._left and self._sha.hexdigest() != self._digest):
            raise LostAssetError(self._digest, _ALTERED)
        return piece

    def pieces(self) -> Iterator[bytes]:
        """All pieces, to the last."""
        while piece := self.read():
            yield piece


class FileStore:
    """A sharded directory of assets."""

    def __init__(self, root: Path, *, compress: bool = False) -> None:
        """With ``compress`` files are kept compressed from now on where that makes them smaller."""
        self._root = root
        self.compress = compress
        self.incoming = root / "incoming"
        self._damaged = root / "damaged"

    def prepare(self) -> None:
        """Make the directories and remove what was cut off on its way in; SettingsError if it could not compress."""
        if self.compress:
            compression.library()
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.incoming.mkdir(mode=0o700, exist_ok=True)
        for leftover in self.incoming.iterdir():
            leftover.unlink()

    def path(self, digest: str) -> Path:
        """Where an asset's file is, or would be."""
        if not is_digest(digest):
            raise AssetMismatchError(f"{digest[:80]!r} is no digest: expected 64 lowercase hexadecimal digits")
        return self._root / digest[:_SHARD] / digest[_SHARD:]

    def stored(self, digest: str) -> Path:
        """Where an asset's file is, which may be compressed, or would be."""
        path = self.path(digest)
        compressed = path.with_suffix(compression.SUFFIX)
        return compressed if not path.exists() and compressed.exists() else path

    def aside(self, digest: str) -> Path:
        """Where an asset's file is after it was found damaged."""
        return self._damaged / digest

    def holds(self, digest: str, size: int) -> bool:
        """Whether an asset's file is there, by its size unless it is compressed."""
        path = self.stored(digest)
        try:
            return path.suffix == compression.SUFFIX or path.stat().st_size == size
        except FileNotFoundError:
            return False

    def open(self, digest: str, size: int) -> Reading:
        """Begin to read an asset of so many bytes."""
        return Reading(self, digest, size)

    def set_aside(self, digest: str) -> None:
        """Put a file that was found damaged where nobody reads it, if it still is when it is read once more."""
        path = self.stored(digest)
        with suppress(FileNotFoundError):
            if _is_whole(path, digest):
                return
            self._damaged.mkdir(mode=0o700, exist_ok=True)
            path.rename(self.aside(digest))

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """While what is named at its beginning stays there: whoever removes files has to lock the directory alone."""
        self._root.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    def shards(self) -> list[str]:
        """What the digests of files begin with; somebody else may have put other things beside them."""
        with os.scandir(self._root) as entries:
            return [entry.name for entry in entries if len(entry.name) == _SHARD and entry.is_dir()]

    def digests(self, shard: str) -> list[str]:
        """The digests of the files of a shard."""
        with os.scandir(self._root / shard) as entries:
            found = {
                shard + entry.name.removesuffix(compression.SUFFIX)
                for entry in entries
                if not entry.is_dir(follow_symlinks=False)
            }
        return [digest for digest in found if is_digest(digest)]

    def unfinished(self) -> Iterator[Path]:
        """What is on its way in."""
        return self.incoming.glob("*")

    def damaged(self) -> Iterator[Path]:
        """What was set aside."""
        return self._damaged.glob("*")

    def remove(self, digest: str) -> bool:
        """Remove an asset's file, also one that was set aside; False while somebody is :meth:`keeping` files."""
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.path(digest).unlink(missing_ok=True)
            self.path(digest).with_suffix(compression.SUFFIX).unlink(missing_ok=True)
            self.aside(digest).unlink(missing_ok=True)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def receive(self, digest: str) -> Upload:
        """Begin to take in an asset's bytes."""
        self.path(digest)
        return Upload(self, digest)


def _is_whole(path: Path, digest: str) -> bool:
    """Whether a file's bytes are those of its digest; of a disk that cannot read them they are not."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        source = compression.source(path, file)
        try:
            while piece := source.read(PIECE):
                sha.update(piece)
            return sha.hexdigest() == digest
        except compression.DamagedError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return False


def sync(path: Path) -> None:
    """Have a file's bytes, or the names in a directory, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
