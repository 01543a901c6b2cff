"""What an asset came with. Nothing is indexed by that: it is asked when one was lost, which ought to be never."""

from __future__ import annotations

import json

from sqlalchemy import ColumnElement, Connection, or_, select, true

from covalent_server.core.origins import Origin
from covalent_server.db.tables import dispatch, node


def find(connection: Connection, owner: str | None, digest: str) -> Origin | None:
    """The first task that made the asset, or else that needs it, or else the first such dispatch.

    It is one of ``owner``, or anybody's when that is None.
    """
    return (
        _task(connection, owner, node.c.output == digest, made=True)
        or _task(connection, owner, node.c.record.contains(digest), made=False)
        or _dispatch(connection, owner, digest)
    )


def _task(connection: Connection, owner: str | None, condition: ColumnElement[bool], *, made: bool) -> Origin | None:
    row = connection.execute(
        select(dispatch.c.id, dispatch.c.root_id, node.c.number, node.c.record)
        .join(dispatch, dispatch.c.key == node.c.dispatch)
        .where(_of(owner), condition)
        .order_by(node.c.key)
        .limit(1)
    ).first()
    if row is None:
        return None
    name = str(json.loads(row.record).get("name", ""))
    return Origin(dispatch_id=row.id, root_id=row.root_id, node=row.number, name=name, made=made)


def _dispatch(connection: Connection, owner: str | None, digest: str) -> Origin | None:
    named = or_(dispatch.c.project == digest, dispatch.c.result == digest, dispatch.c.manifest.contains(digest))
    row = connection.execute(
        select(dispatch.c.id, dispatch.c.root_id).where(_of(owner), named).order_by(dispatch.c.key).limit(1)
    ).first()
    return None if row is None else Origin(dispatch_id=row.id, root_id=row.root_id)


def _of(owner: str | None) -> ColumnElement[bool]:
    return true() if owner is None else dispatch.c.owner == owner
