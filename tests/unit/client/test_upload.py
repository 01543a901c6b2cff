"""How a workflow's bytes reach the server: as few requests as possible, nothing twice."""

from __future__ import annotations

import pytest

from covalent.client import upload
from covalent.client.upload import submit
from covalent.connection import connect
from covalent.errors import ServerUnreachableError
from covalent.hydration import Package
from covalent.transportable import TransportableObject
from covalent.wire import INLINE_ASSET_BYTES
from covalent.wire.manifest import Graph, Manifest
from tests.unit.client.fake_server import FakeServer


def _package(*values: object) -> Package:
    assets = [TransportableObject(value) for value in values]
    return Package(manifest=Manifest(graph=Graph()), assets={asset.asset_id: asset for asset in assets})


def _large(fill: str) -> str:
    return fill * (INLINE_ASSET_BYTES + 1)


def test_a_small_workflow_is_one_request(server: FakeServer) -> None:
    package = _package(1, "two", [3.0])
    accepted = submit(connect(), package)
    assert server.asked == ["POST /dispatches"]
    assert server.assets == {digest: asset.serialize() for digest, asset in package.assets.items()}
    assert server.manifests == {accepted.dispatch_id: package.manifest}


def test_a_large_asset_goes_ahead_of_the_manifest_and_only_once(server: FakeServer) -> None:
    package = _package(1, _large("a"))
    (large,) = [digest for digest, asset in package.assets.items() if asset.size > INLINE_ASSET_BYTES]
    submit(connect(), package)
    assert server.asked == ["POST /assets/missing", f"PUT /assets/{large}", "POST /dispatches"]
    assert server.assets == {digest: asset.serialize() for digest, asset in package.assets.items()}
    submit(connect(), package)
    assert server.asked[3:] == ["POST /assets/missing", "POST /dispatches"]


def test_small_assets_beyond_what_one_request_carries_go_ahead_too(server: FakeServer) -> None:
    assert upload.ALONG_BYTES < 140 * 60_000
    package = _package(*(f"{number:060000}" for number in range(140)))
    submit(connect(), package)
    assert len([asked for asked in server.asked if asked.startswith("PUT")]) in range(1, 20)
    assert server.assets == {digest: asset.serialize() for digest, asset in package.assets.items()}


def test_many_digests_are_asked_about_in_batches(server: FakeServer) -> None:
    package = _package(_large("b"), *range(1000))
    submit(connect(), package)
    assert server.asked.count("POST /assets/missing") == 2
    assert server.assets.keys() == package.assets.keys()


def test_a_lost_answer_is_asked_for_again_and_starts_nothing_twice(server: FakeServer) -> None:
    server.losses = 3
    accepted = submit(connect(), _package(1))
    keys = {request.key for request in server.requests}
    assert len(server.requests) > 1
    assert len(keys) == 1
    assert list(server.records) == [accepted.dispatch_id]


def test_each_dispatch_has_a_key_of_its_own(server: FakeServer) -> None:
    first, second = (submit(connect(), _package(1)).dispatch_id for _ in range(2))
    assert first != second
    assert len({request.key for request in server.requests}) == 2


def test_without_a_server_the_error_says_how_to_start_one(server: FakeServer) -> None:
    server.stop()
    with pytest.raises(ServerUnreachableError, match="covalent start"):
        submit(connect(), _package(1))
