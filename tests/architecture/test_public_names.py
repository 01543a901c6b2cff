"""Every public name of the SDK exists, is documented, and costs nothing until it is used."""

from __future__ import annotations

import re

import covalent
from tests.architecture.tree import ROOT

REFERENCE = ROOT / "docs" / "reference" / "api.md"


def documented() -> list[str]:
    """The names that have a heading in the reference."""
    return re.findall(r"^### `ct\.(\w+)`$", REFERENCE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_every_public_name_can_be_had() -> None:
    assert [name for name in covalent.__all__ if not hasattr(covalent, name)] == []


def test_the_public_names_are_listed_once_and_shown_by_dir() -> None:
    assert len(covalent.__all__) == len(set(covalent.__all__))
    assert set(covalent.__all__) <= set(dir(covalent))


def test_the_reference_documents_every_public_name_once_and_no_other() -> None:
    assert sorted(documented()) == sorted(covalent.__all__)
