"""The options that commands share: every setting as a flag, and ``--json``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from covalent_server import settings

Command = TypeVar("Command", bound=Callable[..., Any])
Flags = Mapping[str, Any]

#: What a command needs that only has to find a server, not to start one.
_PLACES: Final = ("config_dir", "data_dir")
_SWITCHES: Final = ("allow_network_filesystem", "insecure", "open_metrics")

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def places(command: Command) -> Command:
    """Add the flags that tell which server is meant."""
    return _with_flags(command, _PLACES)


def every_setting(command: Command) -> Command:
    """Add a flag for each setting."""
    return _with_flags(command, tuple(option.name for option in settings.OPTIONS))


def load(flags: Flags) -> settings.Settings:
    """The settings, with the flags that a command was given."""
    return settings.load(flags, os.environ)


def as_arguments(flags: Flags) -> list[str]:
    """Flags as they are written on a command line."""
    arguments: list[str] = []
    for option in settings.OPTIONS:
        value = flags.get(option.name)
        if value is None or value is False:
            continue
        arguments += [option.flag] if option.name in _SWITCHES else [option.flag, str(value)]
    return arguments


def _with_flags(command: Command, names: tuple[str, ...]) -> Command:
    for option in reversed(settings.OPTIONS):
        if option.name not in names:
            continue
        if option.name in _SWITCHES:
            command = click.option(option.flag, is_flag=True, default=None, help=option.help)(command)
        else:
            command = click.option(option.flag, metavar="VALUE", help=option.help)(command)
    return command
