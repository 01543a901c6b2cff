"""The words that a dispatch is found by."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, update

from covalent_server.core.errors import UnknownDispatchError
from covalent_server.db.tables import dispatch


def put(connection: Connection, owner: str, dispatch_id: str, tags: Sequence[str]) -> None:
    """Give an owner's dispatch other tags; those that it was sent with stay in its manifest."""
    changed = connection.execute(
        update(dispatch)
        .where(dispatch.c.id == dispatch_id, dispatch.c.owner == owner)
        .where(dispatch.c.complete == 1, dispatch.c.observes.is_(None))
        .values(tags=json.dumps(list(dict.fromkeys(tags)), ensure_ascii=False))
    )
    if not changed.rowcount:
        raise UnknownDispatchError(dispatch_id)
