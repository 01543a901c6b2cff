"""Fencing tokens: proof that an attempt was leased, which nobody needs to store.

A token is a keyed hash of node and attempt, so that a lease delivered again carries the same one, and the result of
an attempt whose lease was lost can still be told from a forgery.
"""

from __future__ import annotations

import hmac

from covalent.wire.work import LeaseKey


class Fencing:
    """Makes and checks tokens with a key that the database keeps."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def key(self, node: int, attempt: int) -> LeaseKey:
        """The lease key of an attempt."""
        return LeaseKey(node=node, attempt=attempt, token=self._token(node, attempt))

    def genuine(self, key: LeaseKey) -> bool:
        """Whether a lease key was made here."""
        return hmac.compare_digest(self._token(key.node, key.attempt).encode(), key.token.encode("utf-8", "replace"))

    def _token(self, node: int, attempt: int) -> str:
        return hmac.digest(self._key, f"{node}:{attempt}".encode(), "sha256").hex()[:32]
