"""The files of a project, as they lie on disk now."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from covalent.errors import ProjectError

IGNORE_FILE: Final = ".covalentignore"
#: What one package may hold.
MAX_FILES: Final = 20_000


def walk(directory: Path) -> list[Path]:
    """The files of a package, without caches, hidden ones and those that its ignore file names."""
    ignore_file = directory / IGNORE_FILE
    lines = read(ignore_file).decode("utf-8", "replace").splitlines() if ignore_file.is_file() else []
    patterns = [line.strip().rstrip("/") for line in lines if line.strip() and not line.startswith("#")]
    found: list[Path] = []
    visited: set[str] = set()
    for root, names, files in os.walk(directory, followlinks=True):
        real = os.path.realpath(root)
        if real in visited:
            names.clear()
            continue
        visited.add(real)
        here = Path(root)
        names[:] = sorted(name for name in names if name != "__pycache__" and _ships(here / name, directory, patterns))
        found += [here / name for name in sorted(files) if _ships(here / name, directory, patterns)]
        if len(found) > MAX_FILES:
            raise ProjectError(
                f"the package at {directory} holds more than {MAX_FILES} files; "
                f"name those to leave behind in {ignore_file}, or install the package in the executor's environment"
            )
    return [path for path in found if path.is_file()]


def _ships(path: Path, directory: Path, patterns: Iterable[str]) -> bool:
    relative = path.relative_to(directory).as_posix()
    return not path.name.startswith(".") and not any(
        fnmatch.fnmatch(relative, pattern) or fnmatch.fnmatch(path.name, pattern) for pattern in patterns
    )


def read(path: Path) -> bytes:
    """A file's bytes; raises ProjectError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProjectError(f"a module that this workflow needs cannot be read: {error}") from error
