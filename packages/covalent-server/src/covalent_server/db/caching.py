"""Outputs that stand in for those of equal tasks: of one owner, by function and input values.

The key of a task is known once its inputs are, which is when a worker asks for it. It is kept in the node's row, so
that the task's own completion can be found by it later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, select, update

from covalent.wire.codec import from_json
from covalent.wire.links import constants
from covalent.wire.manifest import Node
from covalent_server.core.events import Reused
from covalent_server.core.reuse import identity
from covalent_server.core.states import NodeState
from covalent_server.db import AnyRow
from covalent_server.db.assets import value_ids
from covalent_server.db.dialect import Within, insert_ignore, many
from covalent_server.db.links import parents_outputs
from covalent_server.db.moves import Move, decided
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import cached, node

_ADD = Prepared(insert_ignore(cached, "owner", "cache_key", "output"))
_FIND = Prepared(
    select(cached.c.cache_key, cached.c.output).where(
        cached.c.owner == bindparam("owner"), Within(cached.c.cache_key, "keys")
    )
)
_NOTE = Prepared(update(node).where(node.c.key == bindparam("b_key")).values(cache_key=bindparam("b_cache_key")))


def find(connection: Connection, owner: str, rows: Sequence[AnyRow]) -> dict[int, str]:
    """Of nodes whose outputs may be taken over, those for which there is one: their outputs by the nodes' keys."""
    if not rows:
        return {}
    keys = _keys(connection, rows)
    _NOTE.many(connection, [{"b_key": key, "b_cache_key": text} for key, text in keys.items()])
    found = _FIND.one(connection, {"owner": owner, "keys": many(connection, set(keys.values()))})
    outputs = {row.cache_key: row.output for row in found}
    return {key: outputs[text] for key, text in keys.items() if text in outputs}


def reuse(row: AnyRow, found: Mapping[int, str], now: float) -> Move:
    """A node's move when its output was found; a task that did not run begins and ends at once."""
    return decided(row, Reused(), output=found[row.key], started_at=now, ended_at=now)


def remember(connection: Connection, owner: str, moves: Sequence[tuple[str | None, Move]]) -> None:
    """Keep the outputs of nodes that have a key and completed just now."""
    rows = [
        {"owner": owner, "cache_key": key, "output": move.output}
        for key, move in moves
        if key is not None and move.moved and move.decision.node.state is NodeState.COMPLETED
    ]
    _ADD.many(connection, rows)


def forget(connection: Connection, output: str) -> None:
    """Let an output that was lost stand in for no other."""
    connection.execute(delete(cached).where(cached.c.output == output))


def _keys(connection: Connection, rows: Sequence[AnyRow]) -> dict[int, str]:
    """What each node's equals are found by; none for a function without an identity."""
    outputs = parents_outputs(connection, [row.key for row in rows])
    records = {row.key: from_json(Node, json.loads(row.record)) for row in rows}
    digests = {digest for found in outputs.values() for digest in found.values()}
    for record in records.values():
        digests |= constants(record)
    values = value_ids(connection, digests)
    keys = {}
    for key, record in records.items():
        if record.function_id:
            inputs = {number: values.get(digest, digest) for number, digest in outputs[key].items()}
            keys[key] = hashlib.sha256(repr(identity(record, values, inputs)).encode()).hexdigest()
    return keys
