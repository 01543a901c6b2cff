"""Assets on their way in: hashed, their headers read, nothing of them opened."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

import msgspec

from covalent.errors import WireError
from covalent.wire import INLINE_ASSET_BYTES, container
from covalent.wire.manifest import MANIFEST_CODEC
from covalent_server.core.errors import AssetMismatchError
from covalent_server.db.assets import NewAsset

if TYPE_CHECKING:
    from covalent_server.storage.files import Upload

#: What is kept of a header's claims, in characters each.
_MAX_PREVIEW: Final = 16 * 1024
_HEADERS: Final = msgspec.json.Decoder(container.Header)
_READ: Final = container.PREFIX_BYTES + container.MAX_HEADER_BYTES


def from_bytes(data: memoryview, digest: str | None = None) -> NewAsset:
    """A small asset that came inside a message; its digest is checked when the sender named it."""
    if len(data) > INLINE_ASSET_BYTES:
        raise AssetMismatchError(
            f"an asset of {len(data)} bytes came inline; "
            f"what exceeds {INLINE_ASSET_BYTES} bytes is uploaded by itself, with PUT"
        )
    found = hashlib.sha256(data).hexdigest()
    if digest is not None and found != digest:
        raise AssetMismatchError(
            f"the bytes have the digest {found}, not {digest}: they were damaged on the way, send them again"
        )
    return NewAsset(digest=found, size=len(data), preview=_preview(_header(data, len(data))), data=bytes(data))


def from_upload(upload: Upload, digest: str) -> NewAsset:
    """An asset all of whose bytes have arrived; a large one is in the asset store when this returns."""
    if upload.size <= INLINE_ASSET_BYTES:
        return from_bytes(memoryview(upload.small()))
    with upload.path.open("rb") as file:
        beginning = file.read(_READ)
    # What is no asset never gets to its place.
    new = NewAsset(digest=digest, size=upload.size, preview=_preview(_header(beginning, upload.size)), data=None)
    upload.finish()
    return new


def manifest(data: container.Buffer) -> memoryview:
    """The JSON text of the manifest that a sublattice's task made."""
    header = _header(data, len(data))
    if header.codec != MANIFEST_CODEC or len(header.sizes) != 1:
        raise AssetMismatchError(f"a sublattice's task gives a manifest, not a value with the codec {header.codec!r}")
    ((start, end),) = container.part_spans(data, header)
    return memoryview(data)[start:end]


def _header(data: container.Buffer, size: int) -> container.Header:
    """The header of an asset; raises AssetMismatchError for what is no asset of ours."""
    try:
        end = container.header_length(data)
        header = _HEADERS.decode(data[container.PREFIX_BYTES : end])
        expected = container.whole_size(data, header)
    except (WireError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise AssetMismatchError(f"not an asset: {error}") from None
    if expected != size or min(header.sizes, default=0) < 0:
        raise AssetMismatchError(f"not an asset: {size} bytes, but its header describes {expected}")
    return header


def _preview(header: container.Header) -> str:
    """What the header claims, as JSON."""
    preview = {"type_name": _bounded(header.type_name), "object_string": _bounded(header.object_string)}
    if header.json is not None and len(header.json) <= _MAX_PREVIEW:
        preview["json"] = _storable(header.json)
    return json.dumps(preview)


def _bounded(text: str) -> str:
    return _storable(text if len(text) <= _MAX_PREVIEW else text[: _MAX_PREVIEW - 1] + "…")


def _storable(text: str) -> str:
    """Text without NUL, which not every database holds; halves of surrogate pairs were refused with the JSON."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
