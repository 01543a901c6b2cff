"""``covalent backup`` and ``covalent restore``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from covalent_server.cli import directory, exits, lock, options, output
from covalent_server.errors import BackupError, DamagedDataError, DataDirectoryError, NewerDataError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from covalent_server.backup.contents import Heading
    from covalent_server.settings import Settings

#: What a data directory may have that is to hold a backup: nothing of it is a server's state.
_HARMLESS: Final = {"lock", "logs", ".restoring"}
#: Nothing that is made here is for other accounts.
_ALONE: Final = 0o077
_PATH: Final = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=_PATH)
@options.every_setting
@options.as_json
def backup(*, file: Path, as_json: bool, **flags: Any) -> None:
    """Write all that a server has stored into FILE, while it runs.

    The file is a tar archive that appears when it is whole. An asset that is damaged or gone is named, and left out.
    """
    from covalent_server.backup import writing  # noqa: PLC0415  (loads SQLAlchemy)
    from covalent_server.db import revision  # noqa: PLC0415  (as above)
    from covalent_server.storage.files import FileStore  # noqa: PLC0415  (as above)

    os.umask(_ALONE)
    settings = options.load(flags)
    _database(settings, "pg_dump")
    if not revision.exists(settings.database_url):
        raise DataDirectoryError(
            f"there is no database in {settings.data_dir} to back up; name another directory with --data-dir"
        )
    if revision.state(settings.database_url) == "newer":
        raise NewerDataError(
            f"a newer version of Covalent wrote {settings.data_dir}; upgrade with: pip install -U covalent-server"
        )
    written = writing.write(file, settings.database_url, FileStore(settings.data_dir / "assets"))
    _tell(f"Wrote {file}", file, written.heading, written.lost, as_json=as_json)


@click.command()
@click.argument("file", type=_PATH)
@click.option("--verify", is_flag=True, help="Look through everything that the backup holds before it is used.")
@options.every_setting
@options.as_json
def restore(*, file: Path, verify: bool, as_json: bool, **flags: Any) -> None:
    """Put the backup FILE into a data directory that is empty.

    Sizes and digests of all files are compared with what the backup says; one that is damaged is not restored.
    """
    from covalent_server.backup import contents, restoring  # noqa: PLC0415  (loads SQLAlchemy)

    os.umask(_ALONE)
    settings = options.load(flags)
    database = _database(settings, "pg_restore")
    if not file.exists():
        raise BackupError(f"there is no file {file}")
    half = {contents.ASSETS} if restoring.half_settled(settings.data_dir) else set()
    _check_empty(settings.data_dir, database, _HARMLESS | half)
    place = directory.prepare(settings.data_dir, allow_network=settings.allow_network_filesystem)
    with lock.hold(place.lock):
        restored = restoring.restore(file, settings.data_dir, database, verify=verify)
    _tell(
        f"Restored {file} into {settings.data_dir}", settings.data_dir, restored.heading, restored.lost, as_json=as_json
    )


def _database(settings: Settings, instead: str) -> Path:
    """The file of the database; another database has tools of its own."""
    from covalent_server.db import revision  # noqa: PLC0415  (loads SQLAlchemy)

    path = revision.file_of(settings.database_url)
    if path is None:
        raise BackupError(
            f"PostgreSQL has tools of its own: use {instead} for the database, and copy "
            f"{settings.data_dir / 'assets'} as it is, after pg_dump and before pg_restore"
        )
    return path


def _check_empty(data_dir: Path, database: Path, harmless: Collection[str]) -> None:
    found = sorted({item.name for item in data_dir.iterdir()}.difference(harmless)) if data_dir.is_dir() else []
    if found or database.exists():
        what = found[0] if found else str(database)
        raise DataDirectoryError(
            f"the data directory {data_dir} is not empty ({what}), and nothing is restored over what is there; "
            "name an empty or a new one with --data-dir"
        )


def _tell(done: str, path: Path, heading: Heading, lost: Sequence[str], *, as_json: bool) -> None:
    text = f"{done}: {heading.files} files, {heading.bytes / 1e6:.1f} MB, of {heading.created_at}"
    if lost:
        text += "\n".join([f"\nWithout {len(lost)} assets that were lost before:", *lost])
    facts = {
        "path": str(path),
        "files": heading.files,
        "bytes": heading.bytes,
        "created_at": heading.created_at,
        "revision": heading.revision,
        "lost": list(lost),
    }
    output.show(text, facts, as_json=as_json)
    if lost:
        sys.exit(exits.CODES[DamagedDataError])
