"""Which nodes a node takes values from: read off its input templates, the same way by client and server."""

from __future__ import annotations

from covalent.wire import template
from covalent.wire.manifest import Node


def pairs(node: Node) -> set[tuple[int, int]]:
    """Every (source, target) that a node's templates call for; wait links are not among them."""
    return {(source, node.id) for item in (*node.args, *node.kwargs.values()) for source in template.nodes(item)}
