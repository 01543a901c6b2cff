"""Asking a running server over HTTP, with the standard library alone."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

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


def ask(method: str, url: str, *, token: str | None, seconds: float, body: Mapping[str, Any] | None = None) -> Answer:
    """Send one request; :class:`NotAnsweringError` when no answer comes in time."""
    parts = urlsplit(url)
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
    try:
        connection.request(
            method,
            f"{parts.path}?{parts.query}" if parts.query else parts.path,
            None if body is None else json.dumps(body).encode(),
            headers,
        )
        answer = connection.getresponse()
        text = answer.read()
        return Answer(status=answer.status, plain=_plain(text), body=text)
    except (OSError, http.client.HTTPException) as error:
        raise NotAnsweringError(f"the server at {url} does not answer ({error}); see: covalent logs") from None
    finally:
        connection.close()


def _plain(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
