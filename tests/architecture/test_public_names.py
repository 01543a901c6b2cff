"""Every public name of the SDK exists, is documented, and is known to type checkers."""

from __future__ import annotations

import ast
import re

import covalent
from tests.architecture.tree import ROOT, SDK

REFERENCE = ROOT / "docs" / "reference" / "api.md"
NAMES: list[str] = vars(covalent)["__all__"]


def documented() -> list[str]:
    """The names that have a heading in the reference."""
    return re.findall(r"^### `ct\.(\w+)`$", REFERENCE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def typed() -> set[str]:
    """The names that the stub of the lazily loaded package gives away."""
    stub = ast.parse((SDK / "__init__.pyi").read_text(encoding="utf-8"))
    imports = [alias for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assigned = {
        name.id
        for node in stub.body
        if isinstance(node, ast.Assign)
        for name in ast.walk(node.targets[0])
        if isinstance(name, ast.Name)
    }
    return {alias.asname for alias in imports if alias.asname} | assigned


def test_every_public_name_can_be_had() -> None:
    assert [name for name in NAMES if not hasattr(covalent, name)] == []


def test_the_public_names_are_listed_once_and_shown_by_dir() -> None:
    assert len(NAMES) == len(set(NAMES))
    assert set(NAMES) <= set(dir(covalent))


def test_the_reference_documents_every_public_name_once_and_no_other() -> None:
    assert sorted(documented()) == sorted(NAMES)


def test_type_checkers_see_the_same_names() -> None:
    assert typed() == set(NAMES)
