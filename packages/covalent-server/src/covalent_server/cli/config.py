"""``covalent config``."""

from __future__ import annotations

from typing import Any

import click

from covalent_server import settings
from covalent_server.cli import options, output


@click.command()
@options.every_setting
@options.as_json
def config(*, as_json: bool, **flags: Any) -> None:
    """Show each setting, its value, and where that came from.

    The first of these counts: a flag, a variable of the environment, the table [server] of covalent.toml in the
    configuration directory, the default.
    """
    known = options.load(flags)
    shown = {option.name: _shown(getattr(known, option.name)) for option in settings.OPTIONS}
    rows = [(name, "" if value is None else str(value), str(known.sources[name])) for name, value in shown.items()]
    record = {
        option.name: {
            "value": shown[option.name],
            "origin": known.sources[option.name].origin,
            "name": known.sources[option.name].name,
            "variable": option.variable,
        }
        for option in settings.OPTIONS
    }
    file = str(known.config_dir / settings.FILE_NAME)
    output.show(
        output.table([("setting", "value", "from"), *rows]), {"file": file, "settings": record}, as_json=as_json
    )


def _shown(value: object) -> object:
    """A value as JSON has it, without the password that a database's URL may hold."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, tuple):
        return ",".join(value)
    return settings.shown_url(str(value))
