"""Which migration a database stands at; told with one SELECT, so that the serving process never loads alembic."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from covalent_server.db.engines import POSTGRESQL, open_engine, parsed
from covalent_server.errors import CovalentServerError, DatabaseUnavailableError, DataDirectoryError
from covalent_server.settings import shown_url

#: Every revision, oldest first; a test compares the list with the migrations' files.
REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")

State = Literal["absent", "older", "current", "newer"]


def state(url: str) -> State:
    """How the database at ``url`` stands to this version; ``newer`` is one that this version does not know."""
    return standing(current(url))


def standing(found: str) -> State:
    """How a revision stands to this version; an empty one is ``absent``."""
    if not found:
        return "absent"
    if found == REVISIONS[-1]:
        return "current"
    return "older" if found in REVISIONS else "newer"


def exists(url: str) -> bool:
    """Whether there is a database to ask; only a file can be missing, and opening it would make it."""
    file = file_of(url)
    return file is None or file.is_file()


def file_of(url: str) -> Path | None:
    """The file of a SQLite database, None for another's."""
    parts = parsed(url)
    return None if parts.get_backend_name() == POSTGRESQL else Path(parts.database or "")


def current(url: str) -> str:
    """The revision of the database at ``url``; empty when it has none."""
    engine = open_engine(url, writes=True)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return ""
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    except DBAPIError as error:
        raise unusable(url, error) from None
    finally:
        engine.dispose()
    return str(found[-1]) if found else ""


def unusable(url: str, error: DBAPIError) -> CovalentServerError:
    """What is said of a database that cannot be opened."""
    reason = " ".join(str(error.orig).split())
    if parsed(url).get_backend_name() == POSTGRESQL:
        return DatabaseUnavailableError(
            f"the database {shown_url(url)} cannot be used: {reason}; see that PostgreSQL runs there and has that "
            "database (createdb --encoding=UTF8 --template=template0 NAME), or correct COVALENT_DATABASE_URL"
        )
    return DataDirectoryError(
        f"the database {url} cannot be opened: {reason}; restore it from a backup, or choose another with --data-dir "
        "or --database-url"
    )
