"""Requests that somebody else may end: at once, for good, and no other request with them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from covalent.connection import connect
from covalent.errors import ServerError
from covalent.http import Interruption, persistently
from tests.unit.client.fake_server import FakeServer, a_record

HELD = {"wait": 30}


@pytest.fixture(autouse=True)
def _a_running_dispatch(server: FakeServer) -> None:
    server.records["it"] = a_record("it")


def asked(interruption: Interruption) -> Any:
    with interruption.covering():
        return persistently(lambda: connect().get("/dispatches/it", params=HELD))


def test_a_request_that_is_held_back_ends_at_once(server: FakeServer) -> None:
    interruption = Interruption()
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(asked, interruption)
        server.wait_until_somebody_waits()
        interruption.interrupt()
        with pytest.raises(ServerError) as raised:
            waiting.result(timeout=10)
    assert raised.value.code == "interrupted"
    assert server.asked == ["GET /dispatches/it?wait=30"]


def test_after_an_interruption_no_request_begins(server: FakeServer) -> None:
    interruption = Interruption()
    interruption.interrupt()
    with pytest.raises(ServerError, match="no longer waits"):
        asked(interruption)
    assert server.asked == []


def test_requests_of_others_go_on(server: FakeServer) -> None:
    interruption = Interruption()
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(connect().get, "/dispatches/it", params=HELD)
        server.wait_until_somebody_waits()
        interruption.interrupt()
        server.finish("it", b"output")
        assert waiting.result(timeout=10)["status"] == "COMPLETED"


def test_what_was_covered_is_asked_as_ever_afterwards() -> None:
    interruption = Interruption()
    with interruption.covering():
        connect().get("/dispatches/it")
    interruption.interrupt()
    assert connect().get("/dispatches/it")["status"] == "RUNNING"
