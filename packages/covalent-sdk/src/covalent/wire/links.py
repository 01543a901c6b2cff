"""The rules of a graph's links, the same on client and server: which there must be, and in which order they stand."""

from __future__ import annotations

from covalent.wire import template
from covalent.wire.manifest import Link, Node


def pairs(node: Node) -> set[tuple[int, int]]:
    """Every (source, target) that a node's templates call for; wait links are not among them."""
    return {(source, node.id) for item in (*node.args, *node.kwargs.values()) for source in template.nodes(item)}


def order(link: Link) -> tuple[int, int, str, int, str]:
    """What links are sorted by in the canonical document."""
    position = -1 if link.arg_index is None else link.arg_index
    return link.source, link.target, link.param_type, position, link.edge_name
