"""What a layer is kept by: what is asked for, what it lies over, and where packages come from.

A layer is used as it was built for as long as its key holds: ``pandas`` without a version means what was newest then.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from covalent.worker.layers.parent import Parent

#: Raised when layers are built differently.
_FORMAT: Final = 2
#: Of the installers' own variables, those that say what is taken from where.
_SETTINGS: Final = re.compile(
    r"(PIP|UV)_.*(INDEX|FIND_LINKS|CONSTRAINT|OVERRIDE|PRE|RESOLUTION|EXCLUDE_NEWER|BINARY|CONFIG_FILE)"
)
#: What decides how a project is installed that is used where it lies.
_PROJECT_FILES: Final = ("pyproject.toml", "setup.cfg", "setup.py")
#: Files of a project that are no larger are told by what is in them: those that a build writes anew are the same then.
_READ: Final = 1 << 20
_PASSED_OVER: Final = frozenset({".git", ".hg", ".venv", "__pycache__", "build", "dist", "node_modules"})


def key_of(requirements: Iterable[str], parent: Parent, environ: Mapping[str, str]) -> str:
    """The key of the layer for some lines of a requirements file over a parent; 64 hexadecimal digits."""
    lines = sorted({" ".join(line.split()) for line in requirements})
    told = {
        "format": _FORMAT,
        "requirements": lines,
        "local": [list(_state(path, editable=editable)) for path, editable in local(lines)],
        "parent": [parent.python, parent.prefix, parent.digest, *parent.build],
        "settings": sorted((name, value) for name, value in environ.items() if _SETTINGS.match(name)),
        "files": [_stamp(path) for path in settings_files(environ)],
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def local(lines: Iterable[str]) -> Iterator[tuple[Path, bool]]:
    """Files and projects on this machine that are installed, and whether such a project is used where it lies."""
    for line in lines:
        editable = line.startswith("--editable ")
        place = line.removeprefix("--editable ").partition(" @ ")[2] or line.removeprefix("--editable ")
        place = place.partition(" ;")[0].removeprefix("file://")
        if place.startswith("/"):
            yield Path(re.sub(r"\[[^\]/]*\]$", "", place)), editable


def _state(path: Path, *, editable: bool) -> Iterator[tuple[str, int, int | str]]:
    """The files at a path and what is in them: what would have to be installed anew when it changes."""
    if not path.is_dir():
        yield _stamp(path)
    elif editable:
        yield from (_content(path / name) for name in _PROJECT_FILES)
    else:
        for directory, names, files in os.walk(path):
            names[:] = sorted(name for name in names if name not in _PASSED_OVER and not name.endswith(".egg-info"))
            yield from (_content(Path(directory, name)) for name in sorted(files))


def _content(path: Path) -> tuple[str, int, int | str]:
    name, size, modified = _stamp(path)
    return name, size, _digest(name, size, modified) if 0 <= size <= _READ else modified


@functools.lru_cache(maxsize=16384)
def _digest(path: str, _size: int, modified: int) -> int | str:
    """Of a file's content, which is read again when its size or time is another."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return modified


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError:
        return str(path), -1, -1
    return str(path), found.st_size, found.st_mtime_ns


def settings_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """The installers' own settings, of the machine and of the account."""
    config = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or "/nonexistent") / ".config")
    for home in (Path("/etc"), config):
        yield home / "uv" / "uv.toml"
        yield home / "pip" / "pip.conf"
    yield Path("/etc/pip.conf")
    yield Path(environ.get("HOME") or "/nonexistent") / ".pip" / "pip.conf"
