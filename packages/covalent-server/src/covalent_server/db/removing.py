"""Removing dispatches with all that belongs to them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from covalent_server.db.tables import dispatch, event, link, node, stream


def remove(connection: Connection, keys: Sequence[int]) -> set[int]:
    """Remove the dispatches of these keys; the keys of the nodes that went with them."""
    if not keys:
        return set()
    nodes = select(node.c.key).where(node.c.dispatch.in_(keys))
    connection.execute(delete(link).where(link.c.child.in_(nodes)))
    connection.execute(delete(stream).where(stream.c.node.in_(nodes)))
    connection.execute(delete(event).where(event.c.dispatch.in_(keys)))
    gone = connection.execute(delete(node).where(node.c.dispatch.in_(keys)).returning(node.c.key)).scalars()
    removed = set(gone)
    connection.execute(delete(dispatch).where(dispatch.c.key.in_(keys)))
    return removed
