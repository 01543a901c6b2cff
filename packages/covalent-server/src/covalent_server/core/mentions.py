"""Which assets a stored record names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from covalent.wire import template
from covalent.wire.manifest import Node


def of_node(node: Node) -> Iterator[str]:
    """The digests that a node names: of its function, its hooks, its constants."""
    yield node.function
    yield from node.metadata.hooks.call_before
    yield from node.metadata.hooks.call_after
    for item in (*node.args, *node.kwargs.values()):
        yield from template.assets(item)


def of_manifest(manifest: Mapping[str, Any]) -> Iterator[str]:
    """The digests that a manifest names beside its nodes, given as plain JSON."""
    yield from (manifest[name] for name in ("inputs", "workflow", "project") if manifest.get(name))
    for trigger in manifest.get("triggers", ()):
        if trigger.get("directory"):
            yield trigger["directory"]["function"]
            yield trigger["directory"]["seen"]
