"""A server's HTTP API, its answers as records and its refusals as errors."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

from covalent.errors import (
    AuthenticationError,
    MissingLatticeRecordError,
    ServerError,
    ServerUnreachableError,
    WireError,
)
from covalent.http.connections import LOOPBACK, Connections, Network, connections
from covalent.http.interruption import current as current_interruption
from covalent.http.patience import AWAY, NOT_CONNECTED
from covalent.wire import FRAMES_CONTENT_TYPE, frames, places
from covalent.wire.codec import dumps, from_json, loads
from covalent.wire.records import Problem

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

Buffer = bytes | bytearray | memoryview

_API: Final = "/api/v1"
_PIECE: Final = 1 << 20
_CONNECT_SECONDS: Final = 5.0
#: Longer than any answer is held back on purpose (a minute at most).
_READ_SECONDS: Final = 90.0
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_UNKNOWN_DISPATCH: Final = "unknown-dispatch"
_NOT_COVALENT: Final = "not-covalent"
#: Of a server whose certificate nobody vouches for.
_UNTRUSTED: Final = "untrusted"
_BAD: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: the JSON, the blobs if it was a frame, and which server's instance it came from."""

    plain: Any
    blobs: Sequence[memoryview] = ()
    instance: str = ""


class Server:
    """A server's HTTP API. Paths are below ``/api/v1`` and start with a slash: ``get("/dispatches")``."""

    def __init__(self, url: str, token: str | None, *, network: Network | None = None, token_sources: str = "") -> None:
        """``token_sources`` says, for the message of a refusal, where the token was looked for."""
        self.url = url.rstrip("/")
        self._token = token
        self._network = network or Network()
        self._token_sources = token_sources
        self._lock = threading.Lock()
        self._kept: Connections | None = None
        #: Whether there has been a connection: then a server that is away now is probably being restarted.
        self._connected = False

    def get(self, path: str, *, params: Mapping[str, object] | None = None, timeout: float | None = None) -> Any:
        """The JSON at a path. ``timeout`` bounds the wait for the answer, in seconds."""
        return self._decode(self._request("GET", path + _query(params), timeout=timeout)).plain

    def get_framed(
        self, path: str, *, params: Mapping[str, object] | None = None, timeout: float | None = None
    ) -> Answer:
        """As :meth:`get`, with the blobs that the server may have sent along."""
        accept = {"Accept": FRAMES_CONTENT_TYPE}
        return self._decode(self._request("GET", path + _query(params), headers=accept, timeout=timeout))

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

    def put_file(self, digest: str, path: Path) -> None:
        """Store an asset that lies in a file, of which no more than a piece is in memory."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(path.stat().st_size)}
        self._request("PUT", f"/assets/{digest}", body=lambda: _read(path), headers=headers)

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
            kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

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

        connected = self._connections()
        sent = dict(headers or {})
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        waits = urllib3.Timeout(connect=_CONNECT_SECONDS, read=timeout or _READ_SECONDS)
        again = method != "POST" if repeatable is None else repeatable
        while True:
            try:
                response = connected.pool.urlopen(
                    method,
                    f"{connected.prefix}{api}{path}",
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

    def _connections(self) -> Connections:
        """Those that are kept open, or a thread's own while it may be interrupted."""
        interruption = current_interruption()
        if interruption is not None:
            return interruption.connections(self.url, self._network)
        with self._lock:
            self._kept = self._kept or connections(self.url, self._network)
            return self._kept

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
                f"the bytes of the asset {digest} were damaged on their way from {self.url}: "
                f"they hash to {got}; try again",
                code="digest-mismatch",
            )

    def _unreachable(self, error: Exception) -> ServerError:
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
            from ssl import SSLCertVerificationError  # noqa: PLC0415  it is loaded where there was encryption

            message = (
                f"no encrypted connection to {self.url} can be made ({error}); check that the server there speaks "
                "https, and that its certificate is valid and known on this machine, or named with COVALENT_CA_FILE or "
                "dispatcher.ca_file"
            )
            if error.args and isinstance(error.args[0], SSLCertVerificationError):
                return ServerError(message, code=_UNTRUSTED)  # it is there, and waiting changes nothing
        else:
            message = f"no server answers at {self.url} ({reason}); {self._how_to_reach()}"
        return ServerUnreachableError(message, code="no-answer" if connected else NOT_CONNECTED)

    def _how_to_reach(self) -> str:
        if urlsplit(self.url).hostname in LOOPBACK:
            return "start one with: covalent start"
        return "check the address (COVALENT_SERVER_URL), that the server runs, and that this machine can reach it"

    def _refusal(self, response: BaseHTTPResponse) -> ServerError:
        status = response.status
        problem = _problem(response.data)
        if problem is None:
            if "Covalent-Instance" in response.headers or status in AWAY:
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
                "`covalent start` on the server's account writes that file; elsewhere, keep a token there with: "
                "python -m covalent login",
                status=status,
                code=problem.code,
            )
        if status == _FORBIDDEN:
            return AuthenticationError(message, status=status, code=problem.code)
        if problem.code == _UNKNOWN_DISPATCH:
            return MissingLatticeRecordError(message, status=status, code=problem.code)
        return ServerError(message, status=status, code=problem.code)


def _query(params: Mapping[str, object] | None) -> str:
    given = {key: value for key, value in (params or {}).items() if value is not None}
    return f"?{urlencode(given, quote_via=quote)}" if given else ""


def _pieces(chunks: Sequence[Buffer]) -> Iterator[Buffer]:
    """The chunks in slices: a socket's timeout bounds the sending of one slice, not of gigabytes."""
    for chunk in chunks:
        view = memoryview(chunk).cast("B")
        for start in range(0, len(view), _PIECE):
            yield view[start : start + _PIECE]


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            yield piece


def _problem(data: bytes) -> Problem | None:
    """What a Covalent server says of an error; None when something else has answered, a proxy perhaps."""
    try:
        return from_json(Problem, loads(data))
    except WireError:
        return None


def _token_file(url: str) -> Path:
    return places.token_path(places.config_dir(os.environ), url)
