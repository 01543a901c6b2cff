"""``covalent.conf``, the configuration that earlier Covalents wrote: read, never written.

It is TOML, and most of it those Covalents wrote by themselves: all their defaults. What only repeats such a default
says nothing about what its user wants, nor do the paths of their servers' own files; the rest stands below
``covalent.toml``.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from covalent.errors import ConfigError
from covalent.wire import places

FILE_NAME: Final = "covalent.conf"
#: The address at which their server listened by default; nobody is reached there.
_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - nothing is bound to it
_FILES_OF_ITS_OWN: Final = frozenset({"log_stdout", "log_stderr", "cache_dir"})


def paths(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where the file may be: where ours is, and where theirs was on every platform."""
    yield places.config_dir(environ) / FILE_NAME
    if not environ.get("COVALENT_CONFIG_DIR"):
        home = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", os.sep)) / ".config"
        yield Path(home) / "covalent" / FILE_NAME


def taken_over(text: str, path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """What a file of theirs says that still means something."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}, the configuration of an earlier Covalent, is not TOML: {error}") from None
    dispatcher = values.get("dispatcher")
    if isinstance(dispatcher, dict) and dispatcher.get("address") == _EVERYWHERE:
        del dispatcher["address"]
    executors = values.get("executors")
    for table in executors.values() if isinstance(executors, dict) else ():
        if isinstance(table, dict):
            _without_their_defaults(table, environ)
    return values


def _without_their_defaults(table: dict[str, Any], environ: Mapping[str, str]) -> None:
    for name in _FILES_OF_ITS_OWN & table.keys():
        del table[name]
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME", ""), ".cache")  # noqa: PTH118 - a text
    if table.get("workdir") == os.path.join(cache, "covalent", "workdir"):  # noqa: PTH118 - as above
        del table["workdir"]
