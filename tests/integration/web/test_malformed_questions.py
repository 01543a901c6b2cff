"""What is asked of a dispatch in a way that cannot be answered: 4xx, and nothing has happened."""

from __future__ import annotations

import pytest

from tests.installation import Installation
from tests.integration.web.test_malformed import DISPATCHES, framed, plain, send

QUESTIONS: dict[str, tuple[str, str, bytes | None]] = {
    **{
        f"{route} with {what}": ("POST", route, body)
        for route in ("cancel", "result")
        for what, body in {
            "nothing": b"",
            "a list": b"[]",
            "invalid UTF-8": b"\xff",
            "what is too deep": b'{"nodes":' + b"[" * 100_000,
        }.items()
    },
    "cancelling a node that is text": ("POST", "cancel", b'{"nodes": ["0"]}'),
    "cancelling a node that is none": ("POST", "cancel", b'{"nodes": [-1]}'),
    "cancelling a node beyond 64 bits": ("POST", "cancel", b'{"nodes": [1180591620717411303424]}'),
    "cancelling a node again and again": ("POST", "cancel", b'{"nodes": [%s]}' % b",".join([b"0"] * 10_001)),
    "cancelling all nodes by name": ("POST", "cancel", b'{"nodes": "all"}'),
    "a result that is no digest": ("POST", "result", b'{"result": "../../etc/passwd"}'),
    "a result that nobody waits for": ("POST", "result", b'{"result": "%s"}' % (b"0" * 64)),
    **{
        f"a stream with {query}": ("GET", f"nodes/0/stdout?{query}", None)
        for query in ("offset=-1", "offset=nan", "wait=-1", "wait=soon", "attempt=-1", "attempt=x")
    },
    "why of no node": ("GET", "nodes/9999999999/why", None),
    "why of what is no number": ("GET", "nodes/first/why", None),
    "why of a negative number of nodes": ("GET", "why?limit=-1", None),
    "an unknown stream": ("GET", "nodes/0/stdin", None),
    "a stream of no node": ("GET", "nodes/9999999999/stdout", None),
}


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_a_broken_question_about_a_dispatch_is_refused(server: Installation, question: str) -> None:
    method, route, body = QUESTIONS[question]
    document = plain() | {"hold": True}
    path = f"{DISPATCHES}/{send(server, framed(document)).plain['dispatch_id']}"
    answer = server.request(method, f"{path}/{route}", body)
    assert 400 <= answer.status < 500, answer.body
    assert answer.plain["detail"]
    assert server.request("GET", path).plain["status"] == "NEW_OBJECT"


@pytest.mark.parametrize("query", ["status=DONE", "status=%00", "name=%00", "limit=-1", "limit=nan", "limit=x"])
def test_a_broken_search_is_refused(server: Installation, query: str) -> None:
    assert server.request("GET", f"{DISPATCHES}?{query}").status == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/dispatches/%00", None),
        ("/api/v1/limits/remove", b'{"name": "\\u0000"}'),
        ("/api/v1/triggers/stop", b'{"ids": ["\\u0000"]}'),
        ("/api/v1/dispatches/purge", b'{"ids": ["\\u0000"]}'),
    ],
    ids=["a dispatch", "a limit", "a trigger", "a purge"],
)
def test_what_not_every_database_can_look_for_is_refused(server: Installation, path: str, body: bytes | None) -> None:
    headers = {"Content-Type": "application/json"}
    answer = server.request("GET" if body is None else "POST", path, body, headers=headers)
    assert answer.status in (400, 422)
    assert "NUL" in answer.plain["detail"]


def test_after_all_that_the_server_is_healthy(server: Installation) -> None:
    assert server.request("GET", "/healthz", token=None).status == 200
    assert "request failed" not in server.log()
