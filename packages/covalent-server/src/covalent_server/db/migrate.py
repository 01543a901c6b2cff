"""Bringing a database to a revision; run in a process of its own, the only one that loads alembic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config

from covalent_server.db.engines import POSTGRESQL, open_engine
from covalent_server.db.transactions import take_place

if TYPE_CHECKING:
    from collections.abc import Callable


def upgrade(url: str, revision: str = "head") -> None:
    """Upgrade the database at ``url``; run again after an interruption, it goes on where it stood."""
    _run(url, command.upgrade, revision)


def downgrade(url: str, revision: str) -> None:
    """Take the database at ``url`` back to an earlier revision."""
    _run(url, command.downgrade, revision)


def _run(url: str, action: Callable[[Config, str], None], revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    engine = open_engine(url, writes=True)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == POSTGRESQL:
                take_place(connection)
            config.attributes["connection"] = connection
            action(config, revision)
    finally:
        engine.dispose()
