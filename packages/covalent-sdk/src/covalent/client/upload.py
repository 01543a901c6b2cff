"""Handing a workflow over: one request when it is small, the missing large assets first when it is not.

The request that starts the workflow carries a random key, so that repeating it after a lost answer starts nothing
twice: the server answers a repetition with the first one's dispatch.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Mapping
from typing import Final

from covalent.http import Server, persistently
from covalent.hydration import Package
from covalent.transportable import TransportableObject
from covalent.wire import INLINE_ASSET_BYTES
from covalent.wire.codec import from_json
from covalent.wire.manifest import Accepted, Digests

#: Small assets sent along with the manifest, altogether, in bytes.
ALONG_BYTES: Final = 8 * 1024 * 1024
#: How many digests one question names.
_BATCH: Final = 1000


def submit(server: Server, package: Package) -> Accepted:
    """Start a workflow; when this returns, the server has stored all of it."""
    along, ahead = split(package.assets)
    if ahead:
        missing = _missing(server, [*along, *ahead])
        for digest, asset in ahead.items():
            if digest in missing:
                _put(server, digest, asset)
        along = {digest: asset for digest, asset in along.items() if digest in missing}
    blobs = [b"".join(asset.chunks()) for asset in along.values()]
    headers = {"Idempotency-Key": secrets.token_hex(16)}
    answer = persistently(lambda: server.post("/dispatches", package.manifest, blobs=blobs, headers=headers))
    return from_json(Accepted, answer.plain)


def split(
    assets: Mapping[str, TransportableObject],
) -> tuple[dict[str, TransportableObject], dict[str, TransportableObject]]:
    """The assets that go along with the manifest, and those that go ahead of it."""
    along: dict[str, TransportableObject] = {}
    ahead: dict[str, TransportableObject] = {}
    room = ALONG_BYTES
    for digest, asset in assets.items():
        if asset.size <= min(INLINE_ASSET_BYTES, room):
            along[digest] = asset
            room -= asset.size
        else:
            ahead[digest] = asset
    return along, ahead


def _missing(server: Server, digests: list[str]) -> set[str]:
    missing: set[str] = set()
    for start in range(0, len(digests), _BATCH):
        question = Digests(digests=tuple(digests[start : start + _BATCH]))
        answer = persistently(functools.partial(server.post, "/assets/missing", question))
        missing.update(from_json(Digests, answer.plain).digests)
    return missing


def _put(server: Server, digest: str, asset: TransportableObject) -> None:
    persistently(lambda: server.put_asset(digest, asset.chunks(), asset.size))
