"""The repository's own files, as the tests of its architecture look at them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
SDK: Final = ROOT / "packages" / "covalent-sdk" / "src" / "covalent"
SERVER: Final = ROOT / "packages" / "covalent-server" / "src" / "covalent_server"


def configuration() -> dict[str, Any]:
    """The ``[tool]`` tables of the workspace."""
    tools: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    return tools


def modules(*packages: Path) -> Iterator[Path]:
    """Every Python file of the packages, in a stable order."""
    for package in packages or (SDK, SERVER):
        yield from sorted(package.rglob("*.py"))


def boxes(package: Path) -> set[str]:
    """The names of a package's top-level modules and packages; ``__init__`` is the package itself."""
    files = {path.stem for path in package.glob("*.py")}
    folders = {path.parent.name for path in package.glob("*/*.py")}
    return (files | folders) - {"__init__"}
