"""From bytes to typed records, straight into the wire's dataclasses; every fault named by its path."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from covalent.errors import WireError
from covalent.wire import FRAMES_CONTENT_TYPE, frames
from covalent_server.core.planning import check_text
from covalent_server.web.errors import RefusedError
from covalent_server.web.keys import SETTINGS

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_PATH: Final = re.compile(r" - at `(?P<path>[^`]*)`$")
_JSON: Final = "application/json"


async def body(request: web.Request) -> bytes:
    """The whole body, within the limits of size and time."""
    limit = request.app[SETTINGS].max_body_bytes
    if (request.content_length or 0) > limit:
        raise RefusedError(413, f"a body may have {limit} bytes; send large assets on their own")
    seconds = request.app[SETTINGS].request_timeout
    try:
        async with asyncio.timeout(seconds):
            return await request.read()
    except TimeoutError:
        raise RefusedError(408, f"the body did not arrive within {seconds:g} seconds") from None


async def framed(request: web.Request) -> tuple[memoryview, list[memoryview]]:
    """The JSON text and the blobs of a body that is JSON or frames."""
    if request.content_type == _JSON:
        return memoryview(await body(request)), []
    if request.content_type != FRAMES_CONTENT_TYPE:
        raise RefusedError(415, f"send {_JSON} or {FRAMES_CONTENT_TYPE}, not {request.content_type}")
    return frames.unpack(await body(request))


async def record(request: web.Request, decoder: msgspec.json.Decoder[T]) -> T:
    """A record from a JSON body."""
    if request.content_type != _JSON:
        raise RefusedError(415, f"send {_JSON}, not {request.content_type}")
    return decode(decoder, await body(request))


def decode(decoder: msgspec.json.Decoder[T], text: bytes | memoryview) -> T:
    """A record from JSON text.

    A decoder is made when its module is loaded, never by a thread at work: msgspec notes on a class what it finds out
    of it, and two threads that do so at the same time crash the process.
    """
    try:
        value = decoder.decode(text)
    except msgspec.ValidationError as error:
        found = _PATH.search(str(error))
        message = str(error)[: found.start()] if found else str(error)
        raise WireError(message, path=found["path"] if found else "$") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"not JSON: {error}") from None
    except RecursionError:
        raise WireError("nested too deeply") from None
    return value


def check_ids(ids: Sequence[str], path: str, most: int) -> None:
    """Refuse more ids than are taken at once, and what cannot be one."""
    if len(ids) > most:
        raise WireError(f"more than {most} at once", path=path)
    for index, name in enumerate(ids):
        check_text(name, f"{path}[{index}]")


def number(request: web.Request, name: str, default: float, *, most: float) -> float:
    """A non-negative number from the query, at most ``most``."""
    text = request.query.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value >= 0:  # NaN is no number to wait for either
        raise WireError(f"expected a number that is not negative, got {text[:40]!r}", path=f"query.{name}")
    return min(value, most)


def cursor(request: web.Request) -> int | None:
    """Where a list is to go on, as the part before it said; None for its beginning."""
    text = request.query.get("cursor")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise WireError("expected what the part before it gave as `next`", path="query.cursor")
    return int(text)


def member(kind: type[E], text: str, name: str) -> E:
    """One of the members of an enumeration, from the query."""
    if text not in kind.__members__.values():
        raise WireError(f"expected one of {', '.join(kind)}", path=f"query.{name}")
    return kind(text)


def whole(request: web.Request, name: str) -> int:
    """A whole number from the path."""
    text = request.match_info[name]
    if not text.isdecimal() or len(text) > 10:
        raise WireError(f"expected a number, got {text[:40]!r}", path=name)
    return int(text)


def json_answer(value: Any, *, status: int = 200) -> web.Response:
    """A record as JSON."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type=_JSON)


def framed_answer(value: Any, blobs: Sequence[bytes]) -> web.Response:
    """A record and blobs as frames."""
    return web.Response(body=frames.pack(msgspec.json.encode(value), blobs), content_type=FRAMES_CONTENT_TYPE)
