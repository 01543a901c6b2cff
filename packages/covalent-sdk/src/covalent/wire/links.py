"""What a node takes, told from its templates, and the rules of a graph's links; the same on client and server."""

from __future__ import annotations

from covalent.wire import template
from covalent.wire.manifest import Link, Node


def sources(node: Node) -> set[int]:
    """The numbers of the nodes that a node takes values from."""
    return {number for item in (*node.args, *node.kwargs.values()) for number in template.nodes(item)}


def constants(node: Node) -> set[str]:
    """The digests of the constants that a node's arguments name."""
    return {digest for item in (*node.args, *node.kwargs.values()) for digest in template.assets(item)}


def pairs(node: Node) -> set[tuple[int, int]]:
    """Every (source, target) that a node's templates call for; wait links are not among them."""
    return {(source, node.id) for source in sources(node)}


def order(link: Link) -> tuple[int, int, str, int, str]:
    """What links are sorted by in the canonical document."""
    position = -1 if link.arg_index is None else link.arg_index
    return link.source, link.target, link.param_type, position, link.edge_name
