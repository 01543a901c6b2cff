"""Putting a backup back, into a data directory that has none of it before all of it is there and was looked at."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from covalent.wire.template import is_digest
from covalent_server.backup import archive, checking, contents
from covalent_server.backup.archive import Member
from covalent_server.backup.contents import Entry, Heading
from covalent_server.db import revision
from covalent_server.errors import BackupError, DamagedDataError, NewerDataError
from covalent_server.settings import sqlite_url
from covalent_server.storage.files import FileStore, sync

#: In a data directory, what has not become part of it.
UNFINISHED: Final = ".restoring"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A backup that is in its place; ``lost`` says which assets it did not have, and why."""

    heading: Heading
    lost: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Unpacked:
    """What came out of a backup so far."""

    place: Path
    files: int = 0
    database: str = ""


def restore(source: Path, data_dir: Path, database: Path, *, verify: bool) -> Restored:
    """Put a backup into a data directory that is empty, and its database where that is to be.

    Sizes and digests of all files are compared with what the backup says. ``verify`` looks through everything once
    more, as it is on the disk. Raises DamagedDataError, which names what is damaged, and then leaves nothing.
    """
    place = data_dir / UNFINISHED
    if half_settled(data_dir):
        shutil.rmtree(data_dir / contents.ASSETS)
    shutil.rmtree(place, ignore_errors=True)  # of one that was killed
    try:
        if database.parent.stat().st_dev != data_dir.stat().st_dev:
            raise BackupError(f"{database} is to be on the same disk as {data_dir}, so that both appear at once")
        place.mkdir(mode=0o700)
        with source.open("rb") as file:
            restored = _unpack(file, _Unpacked(place=place))
        _check(place, restored, verify=verify)
        os.sync()
        _settle(place, data_dir, database)
    except DamagedDataError as error:
        raise DamagedDataError(f"{source} cannot be restored: {error}; take another backup") from None
    except OSError as error:
        raise BackupError(f"{source} cannot be restored: {error.strerror or error}") from None
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return restored


def half_settled(data_dir: Path) -> bool:
    """Whether a restoration was killed when its assets were in their place, and its database was not yet."""
    place = data_dir / UNFINISHED
    return (place / contents.DATABASE).exists() and not (place / contents.ASSETS).exists()


def _unpack(file: BinaryIO, unpacked: _Unpacked) -> Restored:
    for member in archive.members(file):
        if member.name == contents.NAME:
            return _compare(contents.parse(_lines(member.pieces)), unpacked)
        _unpack_one(member, unpacked)
    raise DamagedDataError("it was cut short")


def _unpack_one(member: Member, unpacked: _Unpacked) -> None:
    path = unpacked.place / _known(member.name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sha = hashlib.sha256()
    with path.open("xb") as target:
        for piece in member.pieces:
            sha.update(piece)
            target.write(piece)
    unpacked.files += 1
    if member.name == contents.DATABASE:
        unpacked.database = sha.hexdigest()
    elif contents.asset_path(sha.hexdigest()) != member.name:
        raise DamagedDataError(f"the file {member.name} in it is damaged")


def _known(name: str) -> str:
    """A name that a file in a backup may have."""
    digest = name.removeprefix(f"{contents.ASSETS}/").replace("/", "")
    if name != contents.DATABASE and not (is_digest(digest) and name == contents.asset_path(digest)):
        raise DamagedDataError(f"it is no backup of Covalent: there is a file {name[:100]!r} in it")
    return name


def _compare(records: Iterator[Heading | Entry], unpacked: _Unpacked) -> Restored:
    """Compare what came out of a backup with what its list says."""
    heading = next(records, None)
    if not isinstance(heading, Heading):
        raise DamagedDataError("its list of contents is empty")
    lost = []
    files = 0
    for entry in records:
        assert isinstance(entry, Entry)  # noqa: S101  (what mypy cannot know of the lines after the first)
        if entry.fault is not None:
            lost.append(f"the asset {entry.sha256} {entry.fault}")
            continue
        files += 1
        path = unpacked.place / _known(entry.path)
        if not path.is_file() or path.stat().st_size != entry.size:
            raise DamagedDataError(f"the file {entry.path} in it is missing, or has another size than it ought to")
        if entry.path == contents.DATABASE and entry.sha256 != unpacked.database:
            raise DamagedDataError(f"the file {entry.path} in it is damaged")
    if not files == unpacked.files == heading.files or not unpacked.database:
        raise DamagedDataError(f"{heading.files} files are to be in it, and {unpacked.files} are")
    return Restored(heading=heading, lost=lost)


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        raise DamagedDataError("its list of contents was cut short")


def _check(place: Path, restored: Restored, *, verify: bool) -> None:
    url = sqlite_url(place / contents.DATABASE)
    if revision.state(url) == "newer":
        raise NewerDataError(
            f"a newer version of Covalent ({restored.heading.covalent_server}) wrote this backup; "
            "upgrade with: pip install -U covalent-server"
        )
    if verify:
        found = checking.check(url, FileStore(place / contents.ASSETS), deep=True, served=False)
        if found.faulty:
            raise DamagedDataError("\n".join(["it holds what was damaged before:", *found.told()]))


def _settle(place: Path, data_dir: Path, database: Path) -> None:
    """Put everything where it belongs; there is a server's state once its database is there, which comes last."""
    assets = place / contents.ASSETS
    if assets.exists():
        assets.rename(data_dir / contents.ASSETS)
    sync(data_dir)
    (place / contents.DATABASE).rename(database)
    sync(database.parent)
