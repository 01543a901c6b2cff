"""Asking a running server over HTTP, with the standard library alone."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from covalent.errors import WireError
from covalent.wire.codec import from_json
from covalent.wire.records import Problem
from covalent_server.errors import NotAnsweringError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered; ``plain`` is None unless it is JSON."""

    status: int
    plain: Any
    body: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether the server did what it was asked."""
        return 200 <= self.status < 300

    @property
    def refusal(self) -> str:
        """What the server says of why it did not."""
        try:
            problem = from_json(Problem, self.plain)
        except WireError:
            return f"the server answered {self.status}"
        return f"{problem.title}: {problem.detail}" if problem.detail else problem.title


def ask(
    method: str,
    url: str,
    *,
    token: str | None,
    seconds: float,
    body: Mapping[str, Any] | None = None,
    certificate: str = "",
) -> Answer:
    """Send one request; :class:`NotAnsweringError` when no answer comes in time.

    A server that speaks with encryption is known by the SHA-256 of its certificate, whatever the name.
    """
    parts = urlsplit(url)
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection = _connection(parts, seconds)
    try:
        connection.connect()
        _check_certificate(connection, certificate)
        connection.request(
            method,
            f"{parts.path}?{parts.query}" if parts.query else parts.path,
            None if body is None else json.dumps(body).encode(),
            headers,
        )
        answer = connection.getresponse()
        text = answer.read()
        return Answer(status=answer.status, plain=_plain(text), body=text)
    except (OSError, http.client.HTTPException) as error:  # of the first kind are those of encryption
        raise NotAnsweringError(f"the server at {url} does not answer ({error}); see: covalent logs") from None
    finally:
        connection.close()


def _connection(parts: SplitResult, seconds: float) -> http.client.HTTPConnection:
    # The server listens on 127.0.0.1, and on many systems ``localhost`` is ::1 first.
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, parts.port, timeout=seconds)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent before it was compared with the certificate that is known
    return http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=context)


def _check_certificate(connection: http.client.HTTPConnection, certificate: str) -> None:
    if isinstance(connection.sock, ssl.SSLSocket):
        shown = connection.sock.getpeercert(binary_form=True) or b""
        if hashlib.sha256(shown).hexdigest() != certificate:
            raise http.client.HTTPException("another certificate than the server's was shown")


def _plain(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
