"""The page that explains the house names every box of the tree, and no box that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, SDK, SERVER, boxes, configuration

PAGE = ROOT / "docs" / "explanation" / "architecture.md"
LAYERS = {"sdk-layers": SDK, "server-layers": SERVER}


def described(package: Path) -> set[str]:
    """The boxes in the table below the heading that names the package's directory."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition(f"`{package.relative_to(ROOT)}/`\n")[2].partition("\n## ")[0]
    return {name.rstrip("/") for name in re.findall(r"^\| `([\w/]+)` \|", section, flags=re.MULTILINE)}


@pytest.mark.parametrize("package", [SDK, SERVER], ids=["sdk", "server"])
def test_the_architecture_page_names_the_boxes_of_the_tree(package: Path) -> None:
    assert described(package) == boxes(package)


@pytest.mark.parametrize("package", [SDK, SERVER], ids=["sdk", "server"])
def test_a_box_with_a_slash_is_a_package(package: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in sorted(boxes(package)):
        assert f"| `{name}{'/' * (package / name).is_dir()}` |" in text


def test_every_module_that_the_page_points_to_is_there() -> None:
    sources = (SDK.parent, SERVER.parent)
    named = set(re.findall(r"`(covalent\w*/[\w/]+\.py)`", PAGE.read_text(encoding="utf-8")))
    assert named
    assert [name for name in sorted(named) if not any((source / name).is_file() for source in sources)] == []


@pytest.mark.parametrize(("contract", "package"), LAYERS.items(), ids=LAYERS)
def test_every_layer_is_a_box_and_none_is_optional(contract: str, package: Path) -> None:
    contracts = {entry["id"]: entry for entry in configuration()["importlinter"]["contracts"]}
    layers = {name for line in contracts[contract]["layers"] for name in re.split(r"\s*[|:]\s*", line)}
    assert layers == boxes(package)
