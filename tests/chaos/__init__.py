"""The crash campaign: see ``campaign.py``."""

from __future__ import annotations

import ast
from pathlib import Path


def crowd_kinds() -> set[str]:
    """The kinds of workflow that the crowd has; the script needs the user's modules and cannot be imported here."""
    source = Path(__file__).with_name("crowd.py").read_text(encoding="utf-8")
    (kinds,) = (
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "KINDS"
    )
    return {node.id for node in ast.walk(kinds) if isinstance(node, ast.Name) and node.id != "kind"}
