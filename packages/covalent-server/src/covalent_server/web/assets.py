"""Routes of assets: bytes by digest, in and out, streamed; nothing of them is opened but the header."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from covalent.errors import WireError
from covalent.wire.manifest import Digests
from covalent.wire.template import is_digest
from covalent_server.core.errors import LostAssetError
from covalent_server.web.errors import RefusedError
from covalent_server.web.keys import CALLER, ENGINE, SETTINGS
from covalent_server.web.routing import PREFIX, Route, Scope
from covalent_server.web.validation import framed_answer, json_answer, record

if TYPE_CHECKING:
    from covalent_server.storage.files import Upload

_DIGESTS: Final = msgspec.json.Decoder(Digests)

#: Bytes of small assets in one answer, altogether.
_BATCH_BYTES: Final = 8 * 1024 * 1024
_MAX_DIGESTS: Final = 100_000
_READ: Final = 256 * 1024
_OCTETS: Final = "application/octet-stream"


async def _digests(request: web.Request) -> tuple[str, ...]:
    digests = (await record(request, _DIGESTS)).digests
    if len(digests) > _MAX_DIGESTS:
        raise WireError(f"more than {_MAX_DIGESTS} at once", path="$.digests")
    for index, digest in enumerate(digests):
        if not is_digest(digest):
            raise WireError("expected 64 lowercase hexadecimal digits", path=f"$.digests[{index}]")
    return tuple(dict.fromkeys(digests))


async def missing(request: web.Request) -> web.Response:
    """Which assets the caller's account lacks; other people's are missing too."""
    absent = await request.app[ENGINE].assets.missing(request[CALLER].owner, await _digests(request))
    return json_answer(Digests(digests=tuple(absent)))


async def batch(request: web.Request) -> web.Response:
    """Small assets at once, as many as fit."""
    found = await request.app[ENGINE].assets.small(request[CALLER].owner, await _digests(request))
    room = _BATCH_BYTES
    sent = []
    for item in found:
        if item.size <= room:
            room -= item.size
            sent.append(item)
    return framed_answer(Digests(digests=tuple(item.digest for item in sent)), [item.data or b"" for item in sent])


async def get(request: web.Request) -> web.StreamResponse:
    """One asset's bytes."""
    assets, owner = request.app[ENGINE].assets, request[CALLER].owner
    found = await assets.find(owner, _digest(request))
    headers = {"Content-Type": _OCTETS, "X-Content-Type-Options": "nosniff", "ETag": f'"{found.digest}"'}
    if found.data is not None:
        return web.Response(body=found.data, headers=headers)
    reading, piece = await assets.open(owner, found)
    response = web.StreamResponse(headers=headers | {"Content-Length": str(found.size)})
    try:
        await response.prepare(request)
        while piece:
            await response.write(piece)
            piece = await asyncio.to_thread(reading.read)
    except LostAssetError as error:
        try:
            await assets.lost(owner, error)  # so that who asks again is told
        finally:
            if request.transport is not None:
                request.transport.abort()  # before its last piece: nobody takes it for whole
    except ConnectionError:
        pass  # who asked has gone
    finally:
        await asyncio.to_thread(reading.close)
    return response


async def put(request: web.Request) -> web.Response:
    """Take in one asset; answered when it is on the disk and committed."""
    digest = _digest(request)
    if request.content_type != _OCTETS:
        raise RefusedError(415, f"send {_OCTETS}, not {request.content_type}")
    engine = request.app[ENGINE]
    upload = await asyncio.to_thread(engine.shared.store.receive, digest)
    try:
        await _receive(request, upload)
        await engine.assets.received(request[CALLER].owner, upload, digest)
    finally:
        await asyncio.to_thread(upload.close)
    return web.Response(status=204)


async def _receive(request: web.Request, upload: Upload) -> None:
    settings = request.app[SETTINGS]
    too_large = RefusedError(413, f"an asset may have {settings.max_asset_bytes} bytes")
    if (request.content_length or 0) > settings.max_asset_bytes:
        raise too_large
    while True:
        try:
            async with asyncio.timeout(settings.request_timeout):
                chunk = await request.content.read(_READ)
        except TimeoutError:
            raise RefusedError(408, f"no bytes for {settings.request_timeout:g} seconds") from None
        if not chunk:
            return
        if upload.size + len(chunk) > settings.max_asset_bytes:
            raise too_large
        await asyncio.to_thread(upload.write, chunk)


def _digest(request: web.Request) -> str:
    digest = request.match_info["digest"]
    if not is_digest(digest):
        raise WireError("expected 64 lowercase hexadecimal digits", path="digest")
    return digest


ROUTES: Final = (
    Route(method="POST", path=f"{PREFIX}/assets/missing", handler=missing, scope=Scope.BOTH),
    Route(method="POST", path=f"{PREFIX}/assets/batch", handler=batch, scope=Scope.BOTH),
    Route(method="GET", path=f"{PREFIX}/assets/{{digest}}", handler=get, scope=Scope.BOTH),
    Route(method="PUT", path=f"{PREFIX}/assets/{{digest}}", handler=put, scope=Scope.BOTH),
)
