"""What nodes take from their parents."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select

from covalent_server.db.dialect import Within, many
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import link, node

_OUTPUTS = Prepared(
    select(link.c.child, node.c.number, node.c.output)
    .join(node, node.c.key == link.c.parent)
    .where(Within(link.c.child, "children"))
)


def parents_outputs(connection: Connection, children: Collection[int]) -> dict[int, dict[int, str]]:
    """For each node the outputs of its parents, by the parents' numbers."""
    outputs: dict[int, dict[int, str]] = {key: {} for key in children}
    for child, number, digest in _OUTPUTS.one(connection, {"children": many(connection, outputs)}):
        if digest is not None:
            outputs[child][number] = digest
    return outputs
