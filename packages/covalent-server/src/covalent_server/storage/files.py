"""Assets as files, by digest, in a directory of the server's own; bytes pass through, never in one piece.

A file appears under its digest only when it is whole, hashed and on the disk.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from covalent.wire.template import is_digest
from covalent_server.core.errors import AssetMismatchError


class Upload:
    """A file on its way in; every method may block."""

    def __init__(self, store: FileStore, digest: str) -> None:
        self._store = store
        self._digest = digest
        #: Where the bytes are until they are finished.
        self.path = store.incoming / secrets.token_hex(16)
        self._file = self.path.open("xb", buffering=0)
        self._sha = hashlib.sha256()
        self.size = 0

    def close(self) -> None:
        """Let go of the file; what was not finished leaves nothing."""
        self._file.close()
        self.path.unlink(missing_ok=True)

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
        os.fsync(self._file.fileno())
        target = self._store.path(self._digest)
        if not target.parent.is_dir():
            target.parent.mkdir(mode=0o700, exist_ok=True)
            _sync_directory(target.parent.parent)
        self.path.rename(target)
        _sync_directory(target.parent)
        return target

    def _check(self) -> None:
        found = self._sha.hexdigest()
        if found != self._digest:
            raise AssetMismatchError(
                f"the bytes have the digest {found}, not {self._digest}: they were damaged on the way, send them again"
            )


class FileStore:
    """A sharded directory of assets."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.incoming = root / "incoming"

    def prepare(self) -> None:
        """Make the directories and remove what was cut off on its way in."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.incoming.mkdir(mode=0o700, exist_ok=True)
        for leftover in self.incoming.iterdir():
            leftover.unlink()

    def path(self, digest: str) -> Path:
        """Where an asset's file is, or would be."""
        if not is_digest(digest):
            raise AssetMismatchError(f"{digest[:80]!r} is no digest: expected 64 lowercase hexadecimal digits")
        return self._root / digest[:2] / digest[2:]

    def receive(self, digest: str) -> Upload:
        """Begin to take in an asset's bytes."""
        self.path(digest)
        return Upload(self, digest)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
