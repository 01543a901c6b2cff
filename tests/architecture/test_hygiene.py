"""What every file of the repository keeps to."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, configuration, modules

#: The limit for a module; a longer one says in its docstring why it is ("long because …").
LONGEST = 400
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")
#: Directories of the machines that this is written on, which mean nothing on a reader's.
MACHINE_PATH = re.compile(r"(?<![\w.:/}>$-])/(work|root)/")
TEXT = {".cfg", ".css", ".html", ".ini", ".json", ".md", ".py", ".toml", ".txt", ".yaml", ".yml"}
TEXT_NAMES = {"LICENSE", "Makefile", "run"}
BUILT = {"_build", "dist", "build", "node_modules", "__pycache__", "static"}


def files() -> Iterator[Path]:
    """Every text file of the repository but this one; hidden directories and what building makes are left out."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name == ".ci" or not (name.startswith(".") or name in BUILT))
        for path in (Path(folder) / name for name in sorted(names)):
            if path != Path(__file__) and (path.suffix in TEXT or path.name in TEXT_NAMES):
                yield path


def test_a_module_is_short_or_says_why_not() -> None:
    silent = []
    for path in modules():
        source = path.read_text(encoding="utf-8")
        if source.count("\n") > LONGEST and "long because" not in (ast.get_docstring(ast.parse(source)) or "").lower():
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


@pytest.mark.parametrize("pattern", [UNFINISHED, MACHINE_PATH], ids=["unfinished", "machine-path"])
def test_no_file_carries(pattern: re.Pattern[str]) -> None:
    assert [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in files()
        if path.name != "uv.lock"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ] == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (UNFINISHED, "# TODO: later"),
        (MACHINE_PATH, "cd /{}/x".format("root")),
        (MACHINE_PATH, 'p = "/{}/x"'.format("work")),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)


def test_every_module_says_what_it_is_for() -> None:
    silent = []
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if tree.body and ast.get_docstring(tree) is None:
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_every_changelog_fragment_has_a_name_that_towncrier_reads() -> None:
    types = "|".join(kind["directory"] for kind in configuration()["towncrier"]["type"])
    names = [path.name for path in sorted((ROOT / "changes").iterdir()) if path.name != ".gitignore"]
    assert [name for name in names if not re.fullmatch(rf"\+[a-z0-9-]+\.({types})\.md", name)] == []
