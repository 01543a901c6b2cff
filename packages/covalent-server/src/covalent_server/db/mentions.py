"""Which assets are named by something: by a node, a dispatch or a trigger.

There is no table of it. A row for every name of every asset would be written where tasks come and go, for the sake of
a purge now and then; so a purge reads what there is, slice by slice. Whatever names an asset while that goes on says so
in ``asset_owner.kept_until``: see :mod:`covalent_server.db.assets`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, select

from covalent_server.db import AnyRow
from covalent_server.db.dialect import Within, many
from covalent_server.db.tables import dispatch, node, trigger

#: Rows that one read looks at.
SLICE: Final = 2000
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_BYTES: Final = re.compile(rb"[0-9a-f]{64}")

#: What moves from one row to another goes to one that is read later: what an observer saw, from its node to its
#: trigger.
SOURCES: Final[tuple[Select[Any], ...]] = (
    select(node.c.key, node.c.output, node.c.record),
    select(dispatch.c.key, dispatch.c.project, dispatch.c.result, dispatch.c.manifest),
    select(trigger.c.key, trigger.c.seen, trigger.c.terms),
)


def look(connection: Connection, source: Select[Any], after: int) -> tuple[set[str], int | None]:
    """What a slice of the rows after a key names, and the key of its last row, None at the end."""
    key = source.selected_columns["key"]
    rows = connection.execute(source.where(key > after).order_by(key).limit(SLICE)).all()
    return named(rows), rows[-1].key if len(rows) == SLICE else None


def of_dispatches(connection: Connection, keys: Sequence[int]) -> set[str]:
    """What some dispatches and their nodes name."""
    nodes, dispatches, _ = SOURCES
    some = {"keys": many(connection, keys)}
    rows = connection.execute(nodes.where(Within(node.c.dispatch, "keys")), some)
    return named(rows) | named(connection.execute(dispatches.where(Within(dispatch.c.key, "keys")), some))


def named(rows: Iterable[AnyRow]) -> set[str]:
    """The digests in texts of rows."""
    found: set[str] = set()
    for _, *texts in rows:
        for text in texts:
            if text is not None:
                found.update(_DIGEST.findall(text))
    return found


def inside(data: bytes) -> set[str]:
    """The digests in an asset's bytes: only a sublattice's manifest names any."""
    return {digest.decode() for digest in _BYTES.findall(data)}
