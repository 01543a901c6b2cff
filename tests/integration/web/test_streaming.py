"""The stream of events of a real server, read as a browser reads it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from covalent_server.web.streaming import MAX_STREAMS
from tests import builders
from tests.installation import PATIENCE, Installation

STREAM = "/api/v1/events/stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    kind: str
    id: int
    data: Any


class Stream:
    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.answer = answer

    def frames(self) -> Iterator[Frame]:
        fields: dict[str, str] = {}
        for line in iter(self.answer.readline, b""):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "event" in fields:
                yield Frame(kind=fields["event"], id=int(fields["id"]), data=json.loads(fields["data"]))
                fields = {}

    def next(self, kind: str) -> Frame:
        """The next frame, which is of this kind."""
        frame = next(self.frames())
        assert frame.kind == kind, frame
        return frame


@contextmanager
def listening(server: Installation, query: str = "", *, cookie: str | None = None, **headers: str) -> Iterator[Stream]:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port or 0, timeout=PATIENCE)
    who = {"Authorization": f"Bearer {server.token}"} if cookie is None else {"Cookie": cookie}
    with closing(connection):
        connection.request("GET", f"{STREAM}{query}", headers=who | headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield Stream(answer)


def dispatched(server: Installation) -> str:
    """The id of a dispatch that has no task, and has ended."""
    value = builders.asset(1)
    octets = {"Content-Type": "application/octet-stream"}
    server.request("PUT", f"/api/v1/assets/{builders.digest(value)}", value, headers=octets)
    sent = builders.text(builders.manifest([], output={"asset": builders.digest(value)}))
    return str(server.request("POST", "/api/v1/dispatches", sent).plain["dispatch_id"])


def kinds(frame: Frame) -> list[tuple[str, str]]:
    return [(event["dispatch_id"], event["kind"]) for event in frame.data["events"]]


def life(dispatch_id: str) -> list[tuple[str, str]]:
    return [(dispatch_id, "dispatch.running"), (dispatch_id, "dispatch.completed")]


def test_what_happens_is_told_from_now_on(server: Installation) -> None:
    dispatched(server)
    with listening(server) as stream:
        hello = stream.next("hello")
        assert hello.data["instance"] == server.request("GET", "/api/v1/server").plain["instance"]
        dispatch_id = dispatched(server)
        told = stream.next("events")
        assert kinds(told) == life(dispatch_id)
        assert hello.id < told.data["events"][0]["sequence"] < told.data["events"][-1]["sequence"] == told.id


def test_who_comes_back_goes_on_where_it_was(server: Installation) -> None:
    with listening(server) as stream:
        last = stream.next("hello").id
    missed = dispatched(server)
    with listening(server, **{"Last-Event-ID": str(last)}) as stream:
        stream.next("hello")
        assert kinds(stream.next("events")) == life(missed)
    with listening(server, f"?after={last}") as stream:
        stream.next("hello")
        assert kinds(stream.next("events")) == life(missed)


@pytest.mark.parametrize("last", ["999999999", "nonsense", "-1", "9" * 40])
def test_who_comes_from_nowhere_looks_anew_and_goes_on(server: Installation, last: str) -> None:
    with listening(server, **{"Last-Event-ID": last}) as stream:
        head = stream.next("hello").id
        assert stream.next("resync").id == head
        dispatch_id = dispatched(server)
        assert kinds(stream.next("events")) == life(dispatch_id)


def test_who_asks_for_one_dispatch_is_told_of_no_other(server: Installation) -> None:
    first, second = dispatched(server), dispatched(server)
    with listening(server, f"?after=0&dispatch={second}") as stream:
        stream.next("hello")
        assert kinds(stream.next("events")) == life(second)
    with listening(server, f"?after=0&dispatch={first}&level=dispatch") as stream:
        stream.next("hello")
        assert set(life(second)) < set(kinds(stream.next("events")))


def test_with_the_session_the_stream_ends(server: Installation) -> None:
    ours = {"Sec-Fetch-Site": "same-origin"}
    signed_in = server.request("POST", "/api/v1/session", plain={"token": server.token}, token=None, headers=ours)
    cookie = signed_in.headers["Set-Cookie"].partition(";")[0]
    with listening(server, cookie=cookie) as stream:
        stream.next("hello")
        out = server.request("DELETE", "/api/v1/session", token=None, headers=ours | {"Cookie": cookie})
        assert out.status == 204
        assert stream.next("bye").data == {"reason": "signed-out"}
        assert stream.answer.read() == b""


def test_streams_are_limited_and_those_that_ended_do_not_count(server: Installation) -> None:
    held = [listening(server) for _ in range(MAX_STREAMS)]
    try:
        for one in held:
            one.__enter__().next("hello")
        refused = server.request("GET", STREAM)
        assert (refused.status, refused.plain["code"]) == (429, "too-many")
    finally:
        for one in held:
            one.__exit__(None, None, None)


def test_a_cursor_outlives_a_restart_and_a_server_that_stops_says_so(tmp_path: Path) -> None:
    with Installation(tmp_path) as server:
        with listening(server) as stream:
            last = stream.next("hello").id
            server.stop()
            assert stream.next("bye").data == {"reason": "stopping"}
        server.start()
        missed = dispatched(server)
        with listening(server, **{"Last-Event-ID": str(last)}) as stream:
            stream.next("hello")
            assert kinds(stream.next("events")) == life(missed)


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}], ids=str)
def test_no_other_site_listens(server: Installation, headers: dict[str, str]) -> None:
    assert server.request("GET", STREAM, headers=headers).status in (403, 421)
