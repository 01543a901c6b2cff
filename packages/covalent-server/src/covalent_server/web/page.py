"""The web page: its files, which are looked up by name and never by path, and the headers that keep it to itself."""

from __future__ import annotations

import asyncio
import functools
import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from covalent_server.web.keys import SETTINGS
from covalent_server.web.routing import Route, Scope

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_INDEX: Final = "index.html"
#: What is below has the digest of its contents in its name.
_HASHED: Final = "assets/"
#: What the page's source says of where it is, and what is put there.
_BASE: Final = '<base href="/">'
_BASE_AT: Final = '<base href="{}/">'
#: Files from so many bytes on are sent compressed.
_WORTH_COMPRESSING: Final = 1024
_COMPRESSIBLE: Final = ("text/", "application/json", "image/svg+xml", "application/manifest+json")
#: Scripts and styles of this server alone; no text becomes code but through the page's one policy, for its worker.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'self'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types covalent 'allow-duplicates'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
#: Whatever is no route of the interface, and no file, is an address within the page, which says when there is no such.
_PATH: Final = "/{path:(?!(?:.*/)?api(?:/|$)).*}"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of the page."""

    content: bytes
    content_type: str
    etag: str
    #: None when it would not be much smaller.
    compressed: bytes | None


async def page(request: web.Request) -> web.Response:
    """A file of the page, or the page itself for any address within it."""
    files = await asyncio.to_thread(_files, request.app[SETTINGS].url_prefix)
    name = request.match_info["path"]
    found = files.get(name)
    if found is None and (name.startswith(_HASHED) or _INDEX not in files):
        raise web.HTTPNotFound(text=_MISSING if _INDEX not in files else None)
    file = found or files[_INDEX]
    hashed = found is not None and name.startswith(_HASHED)
    headers = {
        **_HEADERS,
        "Cache-Control": "public, max-age=31536000, immutable" if hashed else "no-cache",
        "ETag": file.etag,
        "Vary": "Accept-Encoding",
    }
    if request.headers.get(hdrs.IF_NONE_MATCH) == file.etag:
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = file.content_type
    if file.compressed is not None and "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        return web.Response(body=file.compressed, headers=headers | {"Content-Encoding": "gzip"})
    return web.Response(body=file.content, headers=headers)


_MISSING: Final = "this server was installed without its web page; its interface is below api/v1"


@functools.cache
def _files(prefix: str) -> dict[str, File]:
    """All files of the page, by their names below its root."""
    found: dict[str, File] = {}
    root = resources.files("covalent_server.web") / "static"
    if root.is_dir():
        _collect(root, "", prefix, found)
    return found


def _collect(directory: Traversable, below: str, prefix: str, found: dict[str, File]) -> None:
    for entry in directory.iterdir():
        name = f"{below}{entry.name}"
        if entry.is_dir():
            _collect(entry, f"{name}/", prefix, found)
            continue
        content = entry.read_bytes()
        if name == _INDEX:
            content = content.replace(_BASE.encode(), _BASE_AT.format(prefix).encode())
        found[name] = _file(name, content)


def _file(name: str, content: bytes) -> File:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    worth = len(content) >= _WORTH_COMPRESSING and kind.startswith((*_COMPRESSIBLE, "application/javascript"))
    return File(
        content=content,
        content_type=f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        etag=f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        compressed=gzip.compress(content, mtime=0) if worth else None,
    )


#: Comes after all others.
ROUTES: Final = (Route(method="GET", path=_PATH, handler=page, scope=Scope.STRANGER),)
