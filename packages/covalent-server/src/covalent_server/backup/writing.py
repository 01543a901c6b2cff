"""Writing a backup while the server runs: a copy of the database, then the files that this copy names.

Assets' files never change, and none is removed while the backup is made, so that what the copy names stays there;
what comes later is in neither. The backup's file appears under its name when it is whole and on the disk.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, Final

from covalent_server.backup import archive, contents
from covalent_server.backup.archive import Archive
from covalent_server.backup.contents import Entry, Heading
from covalent_server.core.errors import LostAssetError
from covalent_server.db import copying, origins, revision
from covalent_server.db.assets import ALTERED, StoredAsset
from covalent_server.errors import BackupError
from covalent_server.settings import sqlite_url
from covalent_server.storage.files import FileStore, sync

_UNFINISHED: Final = ".partial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A backup that was made; ``lost`` says of each asset that could not be read what it was."""

    heading: Heading
    lost: list[str] = field(default_factory=list)


def write(target: Path, url: str, store: FileStore) -> Written:
    """Write a backup of a SQLite database and its assets; raises BackupError when that cannot be done."""
    target = target.absolute()
    if os.path.lexists(target):
        raise BackupError(f"{target} is there already, and no backup is written over another; name a new file")
    try:
        with _workspace(target) as place:
            with store.keeping():
                copying.copy(url, place / contents.DATABASE, time.time())
                with (place / "backup").open("xb") as file, (place / contents.NAME).open("w+b") as listed:
                    written = _fill(Archive(file), place / contents.DATABASE, store, listed)
            (place / "backup").rename(target)
            sync(target.parent)
    except OSError as error:
        raise BackupError(f"the backup {target} cannot be written: {error.strerror or error}") from None
    return written


def _fill(backup: Archive, database: Path, store: FileStore, listed: BinaryIO) -> Written:
    """Write all of a backup, its list of contents last."""
    files = size = 0
    lost: list[str] = []

    def note(entry: Entry) -> None:
        nonlocal files, size
        listed.write(contents.line(entry))
        if entry.fault is None:
            files, size = files + 1, size + entry.size

    with database.open("rb") as file:
        length = database.stat().st_size
        note(_entry(backup.add(contents.DATABASE, length, archive.pieces(file, length))))
    with copying.opened(database) as session:
        for asset in copying.assets(session):
            try:
                if (entry := _add(backup, asset, store)) is not None:
                    note(entry)
            except LostAssetError as error:
                path = contents.asset_path(asset.digest)
                note(Entry(path=path, size=asset.size, sha256=asset.digest, fault=error.fault))
                origin = origins.find(session, None, asset.digest)
                lost.append(str(LostAssetError(asset.digest, error.fault, origin)))
    heading = Heading(
        covalent_server=version("covalent-server"),
        revision=revision.current(sqlite_url(database)),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        files=files,
        bytes=size,
        lost=len(lost),
    )
    first = contents.line(heading)
    length = listed.tell()
    listed.seek(0)
    backup.add(contents.NAME, len(first) + length, _after(first, archive.pieces(listed, length)))
    backup.close()
    return Written(heading=heading, lost=lost)


def _add(backup: Archive, asset: StoredAsset, store: FileStore) -> Entry | None:
    """Add an asset's file; None for one whose bytes are in the database."""
    if asset.data is not None:
        if not asset.intact:
            raise LostAssetError(asset.digest, ALTERED)
        return None
    with closing(store.open(asset.digest, asset.size)) as reading:
        return _entry(backup.add(contents.asset_path(asset.digest), asset.size, reading.pieces()))


def _entry(added: archive.Added) -> Entry:
    return Entry(path=added.name, size=added.size, sha256=added.sha256)


def _after(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


@contextmanager
def _workspace(target: Path) -> Iterator[Path]:
    """A directory beside the backup's file, until that is made; those of backups that were killed are removed."""
    begun = f".{target.name}."
    for former in target.parent.iterdir():
        if former.name.startswith(begun) and former.name.endswith(_UNFINISHED):
            with suppress(BlockingIOError, FileNotFoundError), _locked(former):
                shutil.rmtree(former)
    place = target.with_name(f"{begun}{secrets.token_hex(8)}{_UNFINISHED}")
    place.mkdir(mode=0o700)
    try:
        with _locked(place):
            yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """While nobody else works in a directory; raises BlockingIOError when somebody does."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
