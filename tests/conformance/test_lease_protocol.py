"""The lease protocol over HTTP: the fake server that the worker's tests use keeps the same promises as the real one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import pytest

from covalent.errors import ServerError
from covalent.http import Server
from covalent.wire import FRAMES_CONTENT_TYPE, INLINE_ASSET_BYTES, codec, frames, places
from covalent.wire.manifest import Metadata
from covalent.wire.work import (
    Acknowledgement,
    Completion,
    Hello,
    Lease,
    LeaseKey,
    Outcome,
    Poll,
    StreamChunk,
    Welcome,
    Work,
)
from tests import builders
from tests.acceptance.stand_in import StandIn
from tests.installation import Installation
from tests.integration.worker.fake_server import TOKEN, FakeServer

WORKER = "conforming"


class Side(Protocol):
    """One implementation of the server's side."""

    server: Server
    worker: str

    def offer(self, count: int, *, at_most_once: bool = False) -> None:
        """Have so many tasks waiting, and the worker introduced."""

    def cancel(self, lease: Lease) -> None:
        """Have a lease's task cancelled."""


class FakeSide:
    def __init__(self, fake: FakeServer) -> None:
        self._fake = fake
        self.server = Server(fake.url, TOKEN)
        self.worker = WORKER

    def offer(self, count: int, *, at_most_once: bool = False) -> None:
        for _ in range(count):
            self._fake.submit(self._fake.put_bytes(builders.FUNCTION), at_most_once=at_most_once)
        hello = Hello(worker=self.worker, pool="1", slots=1, host=places.host_identity())
        welcome = codec.from_json(Welcome, self.server.post("/worker/hello", hello).plain)
        assert welcome.instance
        assert welcome.ttl > 0

    def cancel(self, lease: Lease) -> None:
        self._fake.cancel(self._fake.tasks[lease.node_id])


class RealSide:
    def __init__(self, installation: Installation, stand_in: StandIn) -> None:
        self._installation = installation
        self._stand_in = stand_in
        self.worker = stand_in.worker
        self.server = Server(installation.url, None)

    def offer(self, count: int, *, at_most_once: bool = False) -> None:
        data = {"python": self._stand_in.python, "host": places.host_identity()}
        metadata = Metadata(executor="local", executor_data=data, at_most_once=at_most_once)
        nodes = [builders.node(number, metadata=metadata) for number in range(count)]
        body = frames.pack(builders.text(builders.manifest(nodes)), [builders.FUNCTION])
        headers = {"Content-Type": FRAMES_CONTENT_TYPE}
        answer = self._installation.request("POST", "/api/v1/dispatches", body, headers=headers)
        assert answer.status == 201, answer
        self._stand_in.hello()
        self.server = Server(self._installation.url, self._stand_in.token)

    def cancel(self, lease: Lease) -> None:
        body = codec.dumps({"nodes": [lease.node_id]})
        answer = self._installation.request("POST", f"/api/v1/dispatches/{lease.dispatch_id}/cancel", body)
        assert answer.status == 200, answer


@pytest.fixture(params=["fake", "real"])
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Side]:
    if request.param == "fake":
        fake = FakeServer()
        yield FakeSide(fake)
        fake.close()
        return
    (tmp_path / "stand-in").mkdir()
    with (
        Installation(tmp_path / "installation") as installation,
        StandIn(tmp_path / "stand-in", installation) as stand_in,
    ):
        yield RealSide(installation, stand_in)


def say(side: Side, poll: Poll, *blobs: bytes, path: str = "/worker/poll") -> Work:
    return codec.from_json(Work, side.server.post(path, poll, blobs=blobs).plain)


def take(side: Side, want: int) -> tuple[Lease, ...]:
    return say(side, Poll(worker=side.worker, want=want, wait=20.0)).leases


def completed(key: LeaseKey, blob: bytes) -> Completion:
    return Completion(key=key, outcome=Outcome.COMPLETED, output=builders.digest(blob), started_at=1.0, ended_at=2.0)


def test_leases_are_bounded_by_what_is_wanted_and_carry_attempt_and_token(side: Side) -> None:
    side.offer(5)
    first = take(side, 2)
    rest = say(side, Poll(worker=side.worker, want=64, held=tuple(lease.key for lease in first))).leases
    assert (len(first), len(rest)) == (2, 3)
    keys = [lease.key for lease in (*first, *rest)]
    assert len({key.node for key in keys}) == len({key.token for key in keys}) == 5
    assert {key.attempt for key in keys} == {1}


def test_small_assets_of_a_lease_come_with_it(side: Side) -> None:
    side.offer(1)
    answer = side.server.post("/worker/poll", Poll(worker=side.worker, want=1, wait=20.0), blobs=[])
    work = codec.from_json(Work, answer.plain)
    received = dict(zip(work.assets, map(bytes, answer.blobs), strict=True))
    assert received[work.leases[0].function] == builders.FUNCTION


def test_a_completion_counts_once_and_only_with_its_token(side: Side) -> None:
    side.offer(1)
    (lease,) = take(side, 1)
    blob = builders.asset("value")
    forged = completed(LeaseKey(node=lease.key.node, attempt=1, token="0" * 32), blob)
    answers: list[Acknowledgement] = []
    for completion in (forged, completed(lease.key, blob), completed(lease.key, blob)):
        poll = Poll(worker=side.worker, completions=(completion,), assets=(builders.digest(blob),))
        answers += say(side, poll, blob).acknowledgements
    assert answers == [Acknowledgement.STALE, Acknowledgement.OK, Acknowledgement.DUPLICATE]


def test_a_released_lease_comes_again_with_another_attempt_and_token(side: Side) -> None:
    side.offer(1)
    (lease,) = take(side, 1)
    say(side, Poll(worker=side.worker, released=(lease.key,)))
    (again,) = take(side, 1)
    assert (again.key.node, again.key.attempt) == (lease.key.node, 2)
    assert again.key.token != lease.key.token


def test_a_poll_with_a_completion_is_answered_without_waiting_for_work(side: Side) -> None:
    side.offer(1)
    (lease,) = take(side, 1)
    failed = Completion(key=lease.key, outcome=Outcome.FAILED, error="no")
    # Were it held back, the client's patience would end before the server's.
    answer = side.server.post(
        "/worker/poll", Poll(worker=side.worker, want=1, wait=30.0, completions=(failed,)), blobs=[], timeout=15
    )
    assert codec.from_json(Work, answer.plain).acknowledgements == (Acknowledgement.OK,)


def test_a_heartbeat_takes_streams_and_gives_no_leases(side: Side) -> None:
    side.offer(2)
    (lease,) = take(side, 1)
    chunk = StreamChunk(key=lease.key, stream="stdout", offset=0, blob=0)
    beat = Poll(worker=side.worker, held=(lease.key,), started=(lease.key,), streams=(chunk,))
    for _ in range(2):
        work = say(side, beat, b"printed", path="/worker/heartbeat")
        assert (work.leases, work.drop) == ((), ())


def test_what_is_never_begun_twice_may_begin_when_the_answer_names_it_however_often_it_is_asked(side: Side) -> None:
    side.offer(2, at_most_once=True)
    first, second = take(side, 2)
    assert first.at_most_once
    held = (first.key, second.key)
    for path in ("/worker/heartbeat", "/worker/poll", "/worker/heartbeat"):
        assert say(side, Poll(worker=side.worker, held=held, started=(first.key,)), path=path).begin == (first.key,)
    forged = LeaseKey(node=second.key.node, attempt=1, token="0" * 32)
    assert say(side, Poll(worker=side.worker, held=held, started=(forged,))).begin == ()


def test_what_is_never_begun_twice_may_not_begin_by_a_lease_that_was_given_back(side: Side) -> None:
    side.offer(1, at_most_once=True)
    (lease,) = take(side, 1)
    asked = Poll(worker=side.worker, held=(lease.key,), started=(lease.key,))
    assert say(side, asked).begin == (lease.key,)
    say(side, Poll(worker=side.worker, released=(lease.key,)))
    assert say(side, asked).begin == ()
    (again,) = take(side, 1)
    assert say(side, asked).begin == ()
    assert say(side, Poll(worker=side.worker, held=(again.key,), started=(again.key,))).begin == (again.key,)


def test_other_tasks_are_never_named_as_such_that_may_begin(side: Side) -> None:
    side.offer(1)
    (lease,) = take(side, 1)
    assert not lease.at_most_once
    assert say(side, Poll(worker=side.worker, held=(lease.key,), started=(lease.key,))).begin == ()


def listen(side: Side, *held: Lease) -> Future[Work]:
    """A heartbeat that waits for a lease to be dropped, underway."""
    poll = Poll(worker=side.worker, held=tuple(lease.key for lease in held), wait=30.0)

    def ask() -> Work:
        # Were it held back to its end, the client's patience would end before.
        return codec.from_json(Work, side.server.post("/worker/heartbeat", poll, blobs=[], timeout=15).plain)

    return ThreadPoolExecutor(1).submit(ask)


def test_a_heartbeat_that_waits_is_answered_as_soon_as_a_lease_is_to_be_dropped(side: Side) -> None:
    side.offer(2)
    kept, cancelled = take(side, 2)
    before = listen(side, kept, cancelled)
    side.cancel(cancelled)
    assert before.result(15).drop == (cancelled.key,)
    assert listen(side, kept, cancelled).result(15).drop == (cancelled.key,)


def test_a_heartbeat_that_waits_is_answered_also_for_a_lease_that_came_later(side: Side) -> None:
    side.offer(2)
    (first,) = take(side, 1)
    before = listen(side, first)
    (later,) = say(side, Poll(worker=side.worker, want=1, wait=20.0, held=(first.key,))).leases
    side.cancel(later)
    heard = before.result(15).drop
    # It is told at once, or when the worker asks again and names it.
    assert (heard or listen(side, first, later).result(15).drop) == (later.key,)


def test_an_asset_too_large_to_be_inline_is_refused(side: Side) -> None:
    side.offer(1)
    (lease,) = take(side, 1)
    blob = builders.asset("x" * INLINE_ASSET_BYTES)
    poll = Poll(worker=side.worker, completions=(completed(lease.key, blob),), assets=(builders.digest(blob),))
    with pytest.raises(ServerError) as caught:
        say(side, poll, blob)
    assert caught.value.status == 422


def test_a_goodbye_is_taken(side: Side) -> None:
    side.offer(1)
    assert side.server.post("/worker/bye", {"worker": side.worker}).plain == {}
