"""A dispatch once more, from its stored JSON: the same graph with the same inputs, and nothing of it opened."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from covalent.wire.manifest import Manifest
from covalent.wire.triggers import FEATURE
from covalent_server.db.triggers import Turn
from covalent_server.engine.submission import Submission

#: What a manifest says of its own dispatch, and not of those that repeat it.
_OF_THE_FIRST: Final = frozenset({"hold", "triggers", "reuse"})


def repetition(
    text: str,
    *,
    owner: str,
    dispatch_id: str,
    idempotency_key: str | None,
    reuse: bool = False,
    turn: Turn | None = None,
) -> Submission:
    """What would have been sent for a dispatch like the one whose manifest this is.

    With ``reuse`` its completed nodes stand in for those of the new one.
    """
    plain = {name: value for name, value in msgspec.json.decode(text).items() if name not in _OF_THE_FIRST}
    plain["redispatch_of"] = dispatch_id
    plain["requires"] = [name for name in plain.get("requires", ()) if name != FEATURE]
    if reuse:
        plain["reuse"] = dispatch_id
    return Submission(
        owner=owner,
        manifest=msgspec.convert(plain, Manifest),
        plain=plain,
        idempotency_key=idempotency_key,
        body_digest=hashlib.sha256(f"{dispatch_id} {reuse}".encode()).hexdigest(),
        turn=turn,
    )
