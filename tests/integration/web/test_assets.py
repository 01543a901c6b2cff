"""Assets over HTTP: hashed on arrival, served by digest, described by their headers, never opened."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from covalent.wire import INLINE_ASSET_BYTES, container, frames
from tests import builders
from tests.installation import Answer, Installation

SMALL = builders.asset("small")
LARGE = builders.asset("x" * (INLINE_ASSET_BYTES + 1))
OCTETS = {"Content-Type": "application/octet-stream"}


def headed(header: bytes) -> bytes:
    """A container's beginning, padded to where its first part lies."""
    begun = b"CVA1" + len(header).to_bytes(4, "big") + header
    return begun + bytes(-len(begun) % container.ALIGNMENT)


def put(server: Installation, data: bytes, digest: str | None = None) -> Answer:
    path = f"/api/v1/assets/{builders.digest(data) if digest is None else digest}"
    return server.request("PUT", path, data, headers=OCTETS)


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_an_asset_comes_back_as_it_went(server: Installation, data: bytes) -> None:
    assert put(server, data).status == 204
    assert put(server, data).status == 204
    answer = server.request("GET", f"/api/v1/assets/{builders.digest(data)}")
    assert answer.body == data
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_one_asset_may_arrive_several_times_at_once(server: Installation) -> None:
    for size in (5_000, INLINE_ASSET_BYTES + 5_000):
        data = builders.asset("y" * size)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _, data=data: put(server, data).status, range(40)))
        assert answers == [204] * 40
        assert server.request("GET", f"/api/v1/assets/{builders.digest(data)}").body == data


def test_what_is_missing_is_told(server: Installation) -> None:
    put(server, SMALL)
    absent = "0" * 64
    asked = {"digests": [absent, builders.digest(SMALL), absent]}
    assert server.request("POST", "/api/v1/assets/missing", plain=asked).plain == {"digests": [absent]}
    assert server.request("GET", f"/api/v1/assets/{absent}").plain["code"] == "unknown-asset"


def test_small_assets_come_in_one_answer(server: Installation) -> None:
    other = builders.asset("another")
    for data in (SMALL, LARGE, other):
        put(server, data)
    asked = {"digests": [builders.digest(data) for data in (other, LARGE, SMALL)]}
    text, blobs = frames.unpack(server.request("POST", "/api/v1/assets/batch", plain=asked).body)
    sent = dict(zip(json.loads(bytes(text))["digests"], map(bytes, blobs), strict=True))
    assert sent[builders.digest(SMALL)] == SMALL
    assert sent[builders.digest(other)] == other


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (SMALL, "0" * 64),
        (b"no asset", None),
        (b"", None),
        (SMALL[:-1], None),
        (SMALL + b"more", None),
        (b"CVA1\xff\xff\xff\xff", None),
        (b"CVA1" + (2**17).to_bytes(4, "big") + b"[" * 2**17, None),
        (headed(b'{"codec":"json","sizes":[-64,64]}') + bytes(64), None),
        (headed(b'{"codec":"json","sizes":[99999999999999999999999]}'), None),
        (headed(b'{"codec":"json","object_string":"\\ud800"}'), None),
    ],
    ids=[
        "another digest",
        "no container",
        "nothing",
        "cut short",
        "with more",
        "a huge header",
        "a deep header",
        "a negative part",
        "a part beyond 64 bits",
        "half a surrogate",
    ],
)
def test_bytes_that_are_not_what_they_claim_are_refused_and_not_kept(
    server: Installation, data: bytes, digest: str | None
) -> None:
    answer = put(server, data, digest)
    assert answer.status == 422
    assert answer.plain["code"] == "asset-mismatch"
    claimed = digest or builders.digest(data)
    assert server.request("GET", f"/api/v1/assets/{claimed}").status == 404
    assert not list((server.data / "assets" / "incoming").iterdir())
    assert not (server.data / "assets" / claimed[:2] / claimed[2:]).exists()


@pytest.mark.parametrize(
    "digest",
    [
        "..",
        "%2e%2e",
        "..%2f..%2fetc%2fpasswd",
        "A" * 64,
        "0" * 63,
        "0" * 65,
        "%00" * 64,
        "\N{FULLWIDTH DIGIT ONE}" * 64,
    ],
)
def test_what_is_no_digest_reaches_no_file(server: Installation, digest: str) -> None:
    path = "/api/v1/assets/" + digest.encode("utf-8").decode("latin-1").replace("\xef\xbc\x91", "%EF%BC%91")
    for method in ("GET", "PUT"):
        answer = server.request(method, path, SMALL if method == "PUT" else None, headers=OCTETS)
        assert answer.status in (400, 404, 405)


def test_a_header_is_bounded_and_cleaned_before_it_is_shown(server: Installation) -> None:
    header = container.Header(codec="json", object_string="a\0b" + "x" * 40_000, type_name="t", sizes=(1,))
    data = b"".join(bytes(chunk) for chunk in container.pack(header, [b"1"]))
    sent = builders.manifest([], output={"asset": builders.digest(data)})
    body = frames.pack(builders.text(sent), [data])
    headers = {"Content-Type": "application/vnd.covalent.frames"}
    dispatch_id = server.request("POST", "/api/v1/dispatches", body, headers=headers).plain["dispatch_id"]
    shown = server.request("GET", f"/api/v1/dispatches/{dispatch_id}").plain["result"]["object_string"]
    assert shown.startswith("a\N{REPLACEMENT CHARACTER}b")
    assert len(shown) == 16 * 1024


def test_an_asset_beyond_the_limit_is_refused(server: Installation) -> None:
    headers = OCTETS | {"Content-Length": str(2**45)}
    assert server.request("PUT", f"/api/v1/assets/{'0' * 64}", b"", headers=headers).status == 413
