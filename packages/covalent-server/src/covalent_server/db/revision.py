"""Which migration a database stands at; told with one SELECT, so that the serving process never loads alembic."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from sqlalchemy import inspect, make_url, text
from sqlalchemy.exc import DBAPIError

from covalent_server.db.engines import open_engine
from covalent_server.errors import DataDirectoryError

#: Every revision, oldest first; a test compares the list with the migrations' files.
REVISIONS: Final = ("0001", "0002", "0003", "0004")

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
    """Whether there is a database; only a file can be missing, and opening it would make it."""
    parsed = make_url(url)
    return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").is_file()


def file_of(url: str) -> Path | None:
    """The file of a SQLite database, None for another's."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def current(url: str) -> str:
    """The revision of the database at ``url``; empty when it has none."""
    engine = open_engine(url, writes=True)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return ""
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    except DBAPIError as error:
        raise DataDirectoryError(
            f"the database {engine.url} cannot be opened: {error.orig}; restore it from a backup, or choose another "
            "with --data-dir or --database-url"
        ) from None
    finally:
        engine.dispose()
    return str(found[-1]) if found else ""
