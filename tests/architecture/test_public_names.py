"""Every public name of the SDK exists, is documented, and costs nothing until it is used."""

from __future__ import annotations

import re

import covalent
from tests.architecture.tree import ROOT

REFERENCE = ROOT / "docs" / "reference" / "api.md"


def documented() -> set[str]:
    """The names below ``covalent`` for which the reference has an entry."""
    return set(
        re.findall(r"^\.\. auto\w+:: covalent\.(\w+)$", REFERENCE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    )


def test_every_public_name_can_be_had() -> None:
    assert [name for name in covalent.__all__ if not hasattr(covalent, name)] == []


def test_the_public_names_are_sorted_and_listed_once() -> None:
    assert len(covalent.__all__) == len(set(covalent.__all__))
    assert set(covalent.__all__) <= set(dir(covalent))


def test_the_reference_documents_every_public_name_and_no_other() -> None:
    assert documented() == {name for name in covalent.__all__ if not name.startswith("_")}
