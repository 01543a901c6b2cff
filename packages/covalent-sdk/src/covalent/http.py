"""Talking to a server; the one module that imports urllib3, and only when the first request is made.

A :class:`Server` may be shared by threads and keeps its connections open. Nothing is repeated behind the caller's
back, with one exception: a request that may be repeated without harm (GET, PUT of an asset, POST under an
``Idempotency-Key``) is sent a second time when the kept-open connection turns out to have been closed.
Who wants more says so with :func:`persistently`.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from covalent.errors import (
    AuthenticationError,
    MissingLatticeRecordError,
    ServerError,
    ServerUnreachableError,
    WireError,
)
from covalent.wire import FRAMES_CONTENT_TYPE, frames, places
from covalent.wire.codec import dumps, from_json, loads
from covalent.wire.records import Problem

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, HTTPConnectionPool

__all__ = ["NOT_CONNECTED", "Answer", "Server", "persistently"]

Buffer = bytes | bytearray | memoryview
T = TypeVar("T")

#: The code of a ServerUnreachableError when not even a connection was ever made, so that nothing was sent.
NOT_CONNECTED: Final = "not-connected"
_API: Final = "/api/v1"
_PIECE: Final = 1 << 20
_CONNECT_SECONDS: Final = 5.0
#: Longer than any answer is held back on purpose (a minute at most).
_READ_SECONDS: Final = 90.0
#: Connections kept open; more are made when more threads ask at once.
_KEPT: Final = 8
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_UNKNOWN_DISPATCH: Final = "unknown-dispatch"
_NOT_COVALENT: Final = "not-covalent"
_BAD: Final = 400
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
#: For how long a server that nobody has heard of is asked for, in seconds: a script without one ends soon.
FIRST_CONTACT_SECONDS: Final = 1.5
#: For how long one that has answered before, or took the request, is waited for, in seconds.
RESTART_SECONDS: Final = 60.0
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0
#: How long a server is away before who waits for it is told, in seconds: most restarts are over by then.
_NOTICE_SECONDS: Final = 2.0
#: What proxies answer for a server that is away, and a server that is about to go.
_AWAY: Final = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: the JSON, the blobs if it was a frame, and which server's instance it came from."""

    plain: Any
    blobs: Sequence[memoryview] = ()
    instance: str = ""


class Server:
    """A server's HTTP API. Paths are below ``/api/v1`` and start with a slash: ``get("/dispatches")``."""

    def __init__(self, url: str, token: str | None, *, token_sources: str = "") -> None:
        """``token_sources`` says, for the message of a refusal, where the token was looked for."""
        self.url = url.rstrip("/")
        self._token = token
        self._token_sources = token_sources
        self._lock = threading.Lock()
        self._pool: HTTPConnectionPool | None = None
        #: Whether there has been a connection: then a server that is away now is probably being restarted.
        self._connected = False
        #: What stands before ``/api/v1`` in a request: a path, or the whole address for a plain proxy.
        self._prefix = urlsplit(self.url).path

    def get(self, path: str, *, params: Mapping[str, object] | None = None, timeout: float | None = None) -> Any:
        """The JSON at a path. ``timeout`` bounds the wait for the answer, in seconds."""
        return self._decode(self._request("GET", path + _query(params), timeout=timeout)).plain

    def get_bytes(
        self, path: str, *, params: Mapping[str, object] | None = None, timeout: float | None = None
    ) -> bytes:
        """The bytes at a path, a stream's text for example."""
        return bytes(self._request("GET", path + _query(params), timeout=timeout).data)

    def post(
        self,
        path: str,
        record: Any,
        *,
        blobs: Sequence[Buffer] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Send a record: as JSON, or as a frame when there are ``blobs`` (an empty list makes a frame, too)."""
        text = dumps(record)
        content_type = "application/json" if blobs is None else FRAMES_CONTENT_TYPE
        body = text if blobs is None else frames.pack(text, blobs)
        sent = {"Content-Type": content_type, **(headers or {})}
        repeatable = "Idempotency-Key" in sent
        return self._decode(
            self._request("POST", path, body=lambda: body, headers=sent, timeout=timeout, repeatable=repeatable)
        )

    def put_asset(self, digest: str, chunks: Sequence[Buffer], size: int) -> None:
        """Store an asset of ``size`` bytes; its chunks are sent one after the other and never joined."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        self._request("PUT", f"/assets/{digest}", body=lambda: _pieces(chunks), headers=headers)

    def get_asset(self, digest: str) -> bytes:
        """The bytes of an asset; raises ServerError when they are not what the digest says."""
        data = bytes(self._request("GET", f"/assets/{digest}").data)
        self._check_digest(digest, hashlib.sha256(data).hexdigest())
        return data

    def download_asset(self, digest: str, path: Path) -> None:
        """Write an asset to ``path``, which appears whole and checked or not at all."""
        response = self._request("GET", f"/assets/{digest}", whole=False)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        sha = hashlib.sha256()
        try:
            with partial.open("wb") as file:
                for piece in self._stream(response):
                    sha.update(piece)
                    file.write(piece)
            self._check_digest(digest, sha.hexdigest())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def healthy(self, *, timeout: float = 2.0) -> bool:
        """Whether a server answers at the address; needs no token."""
        try:
            self._request("GET", "/healthz", timeout=timeout, api="")
        except ServerError:
            return False
        return True

    def close(self) -> None:
        """Close the connections kept open; the next request opens new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _request(
        self,
        method: str,
        path: str,
        *,
        body: Callable[[], bytes | Iterator[Buffer]] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        repeatable: bool | None = None,
        whole: bool = True,
        api: str = _API,
    ) -> BaseHTTPResponse:
        """One request; raises the ServerError that fits unless it succeeds. ``body`` is called for each sending."""
        import urllib3  # noqa: PLC0415  an import must not cost who never asks a server

        pool = self._pool or self._open()
        sent = dict(headers or {})
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        waits = urllib3.Timeout(connect=_CONNECT_SECONDS, read=timeout or _READ_SECONDS)
        again = method != "POST" if repeatable is None else repeatable
        while True:
            try:
                response = pool.urlopen(
                    method,
                    f"{self._prefix}{api}{path}",
                    body=None if body is None else body(),  # type: ignore[arg-type]  # buffers do as well as bytes
                    headers=sent,
                    retries=False,
                    redirect=False,
                    timeout=waits,
                    preload_content=whole,
                    decode_content=False,
                )
            except (urllib3.exceptions.ProtocolError, ConnectionError) as error:
                self._connected = True
                if not again:
                    raise self._unreachable(error) from None
                again = False
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise self._unreachable(error) from None
            else:
                self._connected = True
                if response.status >= _BAD or response.status < 200:
                    raise self._refusal(response)
                return response

    def _open(self) -> HTTPConnectionPool:
        import urllib3  # noqa: PLC0415

        with self._lock:
            if self._pool is None:
                parts = urlsplit(self.url)
                proxy = _proxy(parts.scheme, parts.hostname or "")
                manager = urllib3.ProxyManager(proxy, maxsize=_KEPT) if proxy else urllib3.PoolManager(maxsize=_KEPT)
                if proxy and parts.scheme == "http":
                    self._prefix = self.url
                # On many systems ``localhost`` is ::1 first; the server listens on 127.0.0.1.
                host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
                self._pool = manager.connection_from_host(host, parts.port, parts.scheme)
            return self._pool

    def _stream(self, response: BaseHTTPResponse) -> Iterator[bytes]:
        import urllib3  # noqa: PLC0415

        ended = False
        try:
            while piece := response.read(_PIECE):
                yield piece
            ended = True
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from None
        finally:
            if not ended:  # what was not read to its end cannot carry the next request
                response.close()
            response.release_conn()

    def _decode(self, response: BaseHTTPResponse) -> Answer:
        data = response.data
        instance = response.headers.get("Covalent-Instance", "")
        try:
            if response.headers.get("Content-Type", "").startswith(FRAMES_CONTENT_TYPE):
                text, blobs = frames.unpack(data)
                return Answer(plain=loads(text), blobs=blobs, instance=instance)
            return Answer(plain=loads(data), instance=instance)
        except WireError as error:
            message = f"{self.url} does not answer as a Covalent server ({error}); check the address and the port"
            raise ServerError(message, status=response.status, code=_NOT_COVALENT) from error

    def _check_digest(self, digest: str, got: str) -> None:
        if got != digest:
            raise ServerError(
                f"the server sent other bytes than asset {digest} has (they hash to {got}); run: covalent doctor",
                code="digest-mismatch",
            )

    def _unreachable(self, error: Exception) -> ServerUnreachableError:
        import urllib3  # noqa: PLC0415

        exceptions = urllib3.exceptions
        refused = isinstance(error, exceptions.NewConnectionError)  # which is a ConnectTimeoutError, too
        connected = self._connected or not isinstance(error, exceptions.ConnectTimeoutError)
        if isinstance(error, exceptions.ReadTimeoutError):
            reason = "it took the connection but did not answer in time"
        elif isinstance(error, exceptions.ConnectTimeoutError) and not refused:
            reason = "connecting took too long"
        else:
            reason = str(error.__cause__ or error).rsplit(": ", 1)[-1]
        if isinstance(error, exceptions.SSLError):
            message = (
                f"no encrypted connection to {self.url} can be made ({error}); check that the server there speaks "
                "https, and that its certificate is valid and known on this machine"
            )
        else:
            message = f"no server answers at {self.url} ({reason}); {self._how_to_reach()}"
        return ServerUnreachableError(message, code="no-answer" if connected else NOT_CONNECTED)

    def _how_to_reach(self) -> str:
        if urlsplit(self.url).hostname in _LOOPBACK:
            return "start one with: covalent start"
        return "check the address (COVALENT_SERVER_URL), that the server runs, and that this machine can reach it"

    def _refusal(self, response: BaseHTTPResponse) -> ServerError:
        status = response.status
        problem = _problem(response.data)
        if problem is None:
            if "Covalent-Instance" in response.headers or status in _AWAY:
                return ServerError(f"the server at {self.url} answered {status}", status=status, code="http")
            message = f"something answers at {self.url} that is not a Covalent server (it answered {status})"
            return ServerError(f"{message}; check the address and the port", status=status, code=_NOT_COVALENT)
        message = f"{problem.title}: {problem.detail}" if problem.detail else problem.title
        if problem.path:
            message += f" (at {problem.path})"
        if status == _UNAUTHORIZED:
            looked = self._token_sources or f"COVALENT_API_TOKEN and {_token_file(self.url)}"
            had = "did not accept the token" if self._token else "asks for a token and there is none"
            return AuthenticationError(
                f"the server at {self.url} {had}; it was looked for in {looked}. "
                "`covalent start` on the server's account writes that file",
                status=status,
                code=problem.code,
            )
        if status == _FORBIDDEN:
            return AuthenticationError(message, status=status, code=problem.code)
        if problem.code == _UNKNOWN_DISPATCH:
            return MissingLatticeRecordError(message, status=status, code=problem.code)
        return ServerError(message, status=status, code=problem.code)


def persistently(
    ask: Callable[[], T],
    *,
    reached: bool = False,
    notice: Callable[[ServerError, float], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What ``ask`` returns; it is repeated while the server is away, so it must be harmless to repeat.

    ``reached`` says that the server has answered before and is therefore worth waiting for. ``notice`` is called once
    when it stays away, with the error and for how many seconds more it is asked.
    """
    pause = _FIRST_PAUSE
    away_since: float | None = None
    while True:
        try:
            return ask()
        except ServerError as error:
            if not isinstance(error, ServerUnreachableError) and error.status not in _AWAY:
                raise
            reached = reached or error.code != NOT_CONNECTED
            now = clock()
            away_since = now if away_since is None else away_since
            end = away_since + (RESTART_SECONDS if reached else FIRST_CONTACT_SECONDS)
            if now + pause > end:
                if reached:
                    raise _given_up(error, now - away_since) from None
                raise
            if notice is not None and now - away_since >= _NOTICE_SECONDS:
                notice(error, end - now)
                notice = None
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _given_up(error: ServerError, seconds: float) -> ServerUnreachableError:
    message = f"{error}; it was asked for {seconds:.0f} seconds"
    return ServerUnreachableError(message, status=error.status, code=error.code)


def _query(params: Mapping[str, object] | None) -> str:
    given = {key: value for key, value in (params or {}).items() if value is not None}
    return f"?{urlencode(given, quote_via=quote)}" if given else ""


def _pieces(chunks: Sequence[Buffer]) -> Iterator[Buffer]:
    """The chunks in slices: a socket's timeout bounds the sending of one slice, not of gigabytes."""
    for chunk in chunks:
        view = memoryview(chunk).cast("B")
        for start in range(0, len(view), _PIECE):
            yield view[start : start + _PIECE]


def _problem(data: bytes) -> Problem | None:
    """What a Covalent server says of an error; None when something else has answered, a proxy perhaps."""
    try:
        return from_json(Problem, loads(data))
    except WireError:
        return None


def _token_file(url: str) -> Path:
    return places.token_path(places.config_dir(os.environ), url)


def _proxy(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for a host, never for this machine itself."""
    if host in _LOOPBACK:
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415  costs more than all of this module

    return None if proxy_bypass(host) else getproxies().get(scheme)
