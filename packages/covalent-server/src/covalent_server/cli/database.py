"""``covalent db``: how the database stands to this version, bringing it there, and whether it is sound."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any, Final

import click

from covalent_server.cli import directory, exits, lock, options, output
from covalent_server.errors import (
    CovalentServerError,
    DamagedDataError,
    DataDirectoryError,
    MigrationError,
    NewerDataError,
)
from covalent_server.settings import Settings, shown_url

_MEANINGS: Final = {
    "absent": "there is no database of Covalent's yet; covalent start makes one",
    "older": "covalent start or covalent db upgrade brings it to this version's",
    "current": "this version's",
    "newer": "of a newer version of Covalent; upgrade with: pip install -U covalent-server",
}


@click.group("db")
def database() -> None:
    """Show the form of the database, bring it to this version's, or check what is stored."""


@database.command()
@options.every_setting
@options.as_json
def current(*, as_json: bool, **flags: Any) -> None:
    """Tell which revision the database has; a running server is not disturbed."""
    from covalent_server.db import revision  # noqa: PLC0415  (loads SQLAlchemy)

    found, state = _found(options.load(flags))
    facts = {"revision": found, "newest": revision.REVISIONS[-1], "state": state}
    output.show(f"{found or 'none'}: {_MEANINGS[state]}", facts, as_json=as_json)


@database.command()
@options.every_setting
@options.as_json
def upgrade(*, as_json: bool, **flags: Any) -> None:
    """Bring the database of a stopped server to this version's form, as covalent start does.

    When it is interrupted, run it again.
    """
    settings = options.load(flags)
    if _found(settings)[1] == "absent":
        raise DataDirectoryError(
            f"there is nothing to upgrade at {shown_url(settings.database_url)}; name another directory with "
            "--data-dir, or another database with COVALENT_DATABASE_URL"
        )
    place = directory.prepare(settings.data_dir, allow_network=settings.allow_network_filesystem)
    with lock.hold(place.lock):
        before, state = _found(settings)
        if state == "newer":
            raise NewerDataError(
                f"a newer version of Covalent wrote {shown_url(settings.database_url)}; upgrade with: "
                "pip install -U covalent-server"
            )
        if state == "older":
            _upgrade(settings)
        after, _ = _found(settings)
    text = f"Upgraded from {before} to {after}" if before != after else f"{after} is this version's already"
    output.show(text, {"before": before, "revision": after}, as_json=as_json)


@database.command()
@options.every_setting
@options.as_json
def vacuum(*, as_json: bool, **flags: Any) -> None:
    """Give back to the disk what the database of a stopped server does not need, by writing it anew.

    A server does so by itself after a purge, but for databases that an early version made: those need this once. For a
    while the disk needs room for a second one.
    """
    from covalent_server.db import shrinking  # noqa: PLC0415  (loads SQLAlchemy)

    settings = options.load(flags)
    if _found(settings)[1] == "absent":
        raise DataDirectoryError(f"there is no database in {settings.data_dir}; name another directory with --data-dir")
    place = directory.prepare(settings.data_dir, allow_network=settings.allow_network_filesystem)
    with lock.hold(place.lock):
        written = shrinking.vacuum(settings.database_url)
    text = "Written anew" if written else "PostgreSQL sees to that by itself: autovacuum"
    output.show(text, {"written": written}, as_json=as_json)


@database.command()
@click.option("--deep", is_flag=True, help="Read and hash every asset's bytes, too.")
@options.every_setting
@options.as_json
def check(*, deep: bool, as_json: bool, **flags: Any) -> None:
    """Look for damage: in the database, and in the assets that it names; a running server is not disturbed.

    Nothing is changed. Ends with 20 when something is damaged or gone.
    """
    from covalent_server.backup import checking  # noqa: PLC0415  (loads SQLAlchemy)
    from covalent_server.storage.files import FileStore  # noqa: PLC0415  (as above)

    settings = options.load(flags)
    try:
        found, state = _found(settings)
    except DataDirectoryError as error:
        raise DamagedDataError(f"{error}; bring back a backup with: covalent restore") from None
    if state == "absent":
        raise DataDirectoryError(
            f"there is no database in {settings.data_dir} to check; name another directory with --data-dir"
        )
    if state == "newer":
        raise NewerDataError(
            f"a newer version of Covalent wrote {settings.data_dir}; upgrade with: pip install -U covalent-server"
        )
    served = lock.holder(directory.DataDirectory(path=settings.data_dir).lock) is not None
    store = FileStore(settings.data_dir / "assets")
    findings = checking.check(settings.database_url, store, deep=deep, served=served)
    sound = "all is there, as it was stored" if deep else "all is there"
    verdict = f"{findings.faulty} faults" if findings.faulty else sound
    size = f"{findings.assets} assets, {findings.bytes / 1e6:.1f} MB"
    lines = [f"{found}: {_MEANINGS[state]}", f"{size}: {verdict}", *findings.told(), *findings.leftovers]
    facts = {"revision": found, "state": state, "deep": deep, "sound": not findings.faulty, **asdict(findings)}
    output.show("\n".join(lines), facts, as_json=as_json)
    if findings.faulty:
        sys.exit(exits.CODES[DamagedDataError])


def _upgrade(settings: Settings) -> None:
    from covalent_server.db import migrate  # noqa: PLC0415  (loads alembic)

    try:
        migrate.upgrade(settings.database_url)
    except CovalentServerError:
        raise
    except Exception as error:
        raise MigrationError(
            f"the database could not be upgraded: {error}; see that the disk has room and run this again"
        ) from error


def _found(settings: Settings) -> tuple[str, str]:
    """The database's revision and how it stands to this version; nothing is made where there is none."""
    from covalent_server.db import revision  # noqa: PLC0415  (loads SQLAlchemy)

    if not revision.exists(settings.database_url):
        return "", "absent"
    found = revision.current(settings.database_url)
    return found, revision.standing(found)
