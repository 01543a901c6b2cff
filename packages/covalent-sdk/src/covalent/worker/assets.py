"""Assets that tasks need, by digest: small ones in memory, large ones as files that runners map into theirs.

Nothing crosses owners: each has entries and a directory of their own.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from covalent.errors import ServerError, WorkerError
from covalent.http import Server
from covalent.wire import INLINE_ASSET_BYTES, INLINE_MESSAGE_BYTES
from covalent.wire.codec import from_json
from covalent.wire.manifest import Digests
from covalent.wire.template import is_digest
from covalent.worker.home import Home

Buffer = bytes | bytearray | memoryview

_MEMORY_BYTES: Final = 64 << 20
#: The cache on disk of each owner may grow to this …
_DISK_BYTES: Final = 20 << 30
#: … and what was used in the last hour is kept even then: a task may be about to open it.
_SPARED_SECONDS: Final = 3600.0
#: Unpacked projects kept of each owner; those that a runner serves are kept beyond that.
_PROJECTS: Final = 100
#: What is left of earlier boots of the machine is removed when it was not touched for so long.
_FORMER_BOOT_SECONDS: Final = 7 * 86400.0


class Memory:
    """Small assets that are here; those that were not used for longest make room."""

    def __init__(self) -> None:
        self._small: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._bytes = 0

    def receive(self, owner: str, digest: str, data: Buffer) -> None:
        """Remember an asset that came with a lease; what was damaged on its way is fetched instead."""
        if (owner, digest) not in self._small and hashlib.sha256(data).hexdigest() == digest:
            self.keep(owner, digest, bytes(data))

    def keep(self, owner: str, digest: str, data: bytes) -> None:
        """Remember an asset."""
        if (owner, digest) in self._small:
            return
        self._small[owner, digest] = data
        self._bytes += len(data)
        while self._bytes > _MEMORY_BYTES:
            self._bytes -= len(self._small.popitem(last=False)[1])

    def get(self, owner: str, digest: str) -> bytes | None:
        """An asset's bytes, None when they are not here."""
        data = self._small.get((owner, digest))
        if data is not None:
            self._small.move_to_end((owner, digest))
        return data


class Assets:
    """What is here already; used by the loop's thread alone."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.memory = Memory()

    def find(self, owner: str, digest: str) -> bytes | Path | None:
        """An asset's bytes, or its file, or None when it has to be fetched."""
        data = self.memory.get(owner, digest)
        if data is not None:
            return data
        path = _inside(self._home.assets(owner), digest)
        return path if _used(path) else None

    def project(self, owner: str, digest: str) -> Path | None:
        """Where a project lies unpacked, None when it has to be fetched."""
        path = self.project_place(owner, digest)
        return path if _used(path) else None

    def project_place(self, owner: str, digest: str) -> Path:
        """Where a project is to be unpacked."""
        return _inside(self._home.projects(owner), digest)


def _inside(directory: Path, digest: str) -> Path:
    if not is_digest(digest):
        raise WorkerError(f"{digest!r:.100} is not the digest of an asset")
    return directory / digest


def _used(path: Path) -> bool:
    """Note that something in the cache is about to be used; whether it is there."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def fetch(server: Server, directory: Path, digests: Iterable[str]) -> dict[str, bytes]:
    """Get assets: the bytes of the small ones; the others are in the directory afterwards."""
    small: dict[str, bytes] = {}
    wanted = list(digests)
    while wanted:
        answer = server.post("/assets/batch", Digests(digests=tuple(wanted)))
        got = from_json(Digests, answer.plain).digests
        for digest, blob in zip(got, answer.blobs, strict=True):
            if hashlib.sha256(blob).hexdigest() != digest:
                message = f"the bytes of the asset {digest} were damaged on their way from {server.url}; try again"
                raise ServerError(message, code="digest-mismatch")
            small[digest] = bytes(blob)
        wanted = [digest for digest in wanted if digest not in small]
        # With room left in the answer, those that are missing from it are missing for their size.
        if not got or sum(map(len, answer.blobs)) + INLINE_ASSET_BYTES <= INLINE_MESSAGE_BYTES:
            break
    for digest in wanted:
        server.download_asset(digest, directory / digest)
    if wanted:
        trim(directory, time.time())
    return small


def unpack_project(data: bytes, path: Path) -> None:
    """Unpack a project into a directory that appears whole or not at all."""
    from covalent import project  # noqa: PLC0415 - only workers of workflows with modules of their own need it

    project.extract(data, path)
    trim_projects(path.parent, time.time())


def trim(directory: Path, now: float) -> None:
    """Remove what was not used for longest until the cache is within its bounds, and what former boots left."""
    for former in directory.parent.glob("assets-*"):
        with suppress(FileNotFoundError):
            if former != directory and now - former.stat().st_mtime > _FORMER_BOOT_SECONDS:
                shutil.rmtree(former, ignore_errors=True)
    files = []
    for path in directory.iterdir():
        with suppress(FileNotFoundError):
            status = path.stat()
            files.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in files)
    for used, size, path in sorted(files):
        if total <= _DISK_BYTES or now - used < _SPARED_SECONDS:
            return
        path.unlink(missing_ok=True)
        total -= size


def trim_projects(directory: Path, now: float) -> None:
    """Remove the projects that were not used for longest until few are left, and what dead workers unpacked by half."""
    found = []
    for path in directory.iterdir():
        with suppress(FileNotFoundError):
            found.append((path.stat().st_mtime, path))
    for used, path in sorted(found)[: max(0, len(found) - _PROJECTS)]:
        if now - used < _SPARED_SECONDS:
            return
        with suppress(OSError):  # another worker is removing it, too
            _remove_unless_held(path)


def _remove_unless_held(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # runners hold the projects that they serve
        hidden = path.with_name(f".{secrets.token_hex(8)}")
        path.rename(hidden)  # so that nobody finds half of it
        shutil.rmtree(hidden, ignore_errors=True)
    finally:
        os.close(descriptor)
