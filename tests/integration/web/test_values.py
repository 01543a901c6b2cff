"""A dispatch's value comes along with how it stands, where it is small and asked for."""

from __future__ import annotations

import json

import pytest

from covalent.wire import FRAMES_CONTENT_TYPE, INLINE_ASSET_BYTES, frames
from tests import builders
from tests.installation import Installation

TAKES_FRAMES = {"Accept": FRAMES_CONTENT_TYPE}


def ended(server: Installation, value: bytes) -> str:
    """The path of a dispatch that has no task: its value was given with it."""
    digest = builders.digest(value)
    server.request("PUT", f"/api/v1/assets/{digest}", value, headers={"Content-Type": "application/octet-stream"})
    sent = builders.text(builders.manifest([], output={"asset": digest}))
    answer = server.request("POST", "/api/v1/dispatches", sent, headers={"Content-Type": "application/json"})
    return f"/api/v1/dispatches/{answer.plain['dispatch_id']}"


@pytest.mark.parametrize(("size", "comes"), [(10, True), (INLINE_ASSET_BYTES + 1, False)], ids=["small", "large"])
def test_a_small_value_comes_along_where_frames_are_taken(server: Installation, size: int, *, comes: bool) -> None:
    value = builders.asset("x" * size)
    text, blobs = frames.unpack(server.request("GET", ended(server, value), headers=TAKES_FRAMES).body)
    assert json.loads(bytes(text))["result"]["digest"] == builders.digest(value)
    assert list(map(bytes, blobs)) == ([value] if comes else [])


def test_elsewhere_the_answer_is_json(server: Installation) -> None:
    answer = server.request("GET", ended(server, builders.asset(1)))
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.plain["status"] == "COMPLETED"
