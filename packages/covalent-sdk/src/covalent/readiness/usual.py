"""What most workflows are: tasks in the interpreter that dispatches, whose functions import what is installed here.

Of those nothing more needs to be looked at, and so nothing more is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from covalent.executors.local import LocalExecutor, own_interpreter
from covalent.hydration import Package
from covalent.project.finding import code_imports
from covalent.transportable import TransportableObject
from covalent.wire.manifest import Metadata, Node

#: What a function may import anywhere.
GIVEN: Final = frozenset({"__main__", "None", "builtins", "cloudpickle", "covalent"})
Likeness = tuple[str, int, int]


def is_usual(package: Package) -> bool:
    """Whether all is as it is for most workflows."""
    own = own_interpreter()
    seen: set[Likeness] = set()
    functions: set[str] = set()
    for node in package.manifest.graph.nodes:
        metadata, likeness = node.metadata, likeness_of(node)
        if likeness in seen:
            continue
        seen.add(likeness)
        if not _is_here(metadata, own):
            return False
        functions |= {node.function, *metadata.hooks.call_before, *metadata.hooks.call_after}
    return not missing_here(package.assets[digest] for digest in functions if digest in package.assets)


def likeness_of(node: Node) -> Likeness:
    """The same for tasks that differ in their arguments alone: those whose metadata are equal share them."""
    return node.function, id(node.metadata.executor_data), id(node.metadata.hooks)


def _is_here(metadata: Metadata, own: str) -> bool:
    return metadata.executor == LocalExecutor.short_name and metadata.executor_data.get("python") == own


def missing_here(assets: Iterable[TransportableObject]) -> dict[str, str]:
    """What functions that travel by value import for certain and nobody finds here: its name, and who imports it."""
    found: dict[str, str] = {}
    for asset in assets:
        for code, package in asset.origins.codes:
            for imported in code_imports(code, package):
                top = imported.name.partition(".")[0]
                if not imported.guarded and top not in GIVEN and top not in sys.modules and not _findable(top):
                    found[top] = asset.attrs.get("name", "a function")
    return found


def _findable(name: str) -> bool:
    from importlib.util import find_spec  # noqa: PLC0415 - most functions import nothing that is not loaded

    try:
        return find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False
