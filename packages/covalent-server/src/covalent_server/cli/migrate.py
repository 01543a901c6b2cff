"""``covalent migrate``: what a starting server runs as a child, because it never loads alembic itself."""

from __future__ import annotations

from typing import Any

import click

from covalent_server.cli import options


@click.command(hidden=True)
@options.every_setting
def migrate(**flags: Any) -> None:
    """Bring the database to this version's form."""
    from covalent_server.db.migrate import upgrade  # noqa: PLC0415  (loads alembic)

    upgrade(options.load(flags).database_url)
