"""Stored bytes that were damaged, or are gone: told by name, never served, and made good by sending them again."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from covalent.wire import INLINE_ASSET_BYTES, container, frames
from tests import builders
from tests.installation import Answer, Installation
from tests.integration.web.test_assets import put
from tests.integration.web.test_values import TAKES_FRAMES, ended

#: More than is read at once, by far more than lies in sockets on the way, and nothing that repeats.
MANY = 12 * 1024 * 1024


def stored(server: Installation, size: int) -> tuple[str, Path]:
    """An asset of its own in the server's store: its digest and its file."""
    data = random.Random(size + len(list((server.data / "assets").glob("??/*")))).randbytes(size)  # noqa: S311
    header = container.Header(codec="json", type_name="t", sizes=(size,))
    whole = b"".join(bytes(chunk) for chunk in container.pack(header, [data]))
    assert put(server, whole).status == 204
    digest = builders.digest(whole)
    path = server.data / "assets" / digest[:2] / digest[2:]
    assert path.read_bytes() == whole
    return digest, path


def flip(path: Path, at: int) -> None:
    """Damage one byte of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def get(server: Installation, digest: str) -> Answer:
    return server.request("GET", f"/api/v1/assets/{digest}")


def refused(server: Installation, digest: str, fault: str) -> None:
    answer = get(server, digest)
    assert answer.status == 410
    assert answer.plain["code"] == "asset-lost"
    assert answer.plain["detail"].startswith(f"the asset {digest} {fault}")
    assert "covalent restore" in answer.plain["detail"]


def test_a_damaged_byte_anywhere_in_a_large_file_keeps_its_reader_from_having_the_whole(server: Installation) -> None:
    for at in (0, MANY // 2, MANY):
        digest, path = stored(server, MANY)
        size = path.stat().st_size
        flip(path, at)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)) as caught:
            get(server, digest)
        if isinstance(caught.value, http.client.IncompleteRead):
            assert len(caught.value.partial) < size
        refused(server, digest, "is damaged: its bytes in the asset store are not those that were stored")


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (lambda path: flip(path, 70_000), "is damaged: its bytes in the asset store"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is damaged: its bytes in the asset store"),
        (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "is damaged: its bytes in the asset store"),
        (lambda path: path.write_bytes(b""), "is damaged: its bytes in the asset store"),
        (lambda path: path.unlink(), "is gone: its file is not in the asset store"),
    ],
    ids=["altered", "cut short", "with more", "emptied", "removed"],
)
def test_what_is_not_as_it_was_stored_is_told_by_name_until_it_is_sent_again(
    server: Installation, harm: Callable[[Path], None], fault: str
) -> None:
    digest, path = stored(server, 2 * INLINE_ASSET_BYTES)
    whole = path.read_bytes()
    harm(path)
    for _ in range(2):
        refused(server, digest, fault)
    asked = {"digests": [digest]}
    assert server.request("POST", "/api/v1/assets/missing", plain=asked).plain == asked
    assert put(server, whole).status == 204
    assert get(server, digest).body == whole
    assert server.request("POST", "/api/v1/assets/missing", plain=asked).plain == {"digests": []}


def test_a_damaged_row_is_left_out_of_answers_with_many_and_told_by_name_alone(server: Installation) -> None:
    good, bad = builders.asset("intact"), builders.asset("to be damaged")
    for data in (good, bad):
        put(server, data)
    with contextlib.closing(sqlite3.connect(server.data / "covalent.db")) as database, database:
        damaged = bad.replace(b"damaged", b"dAmaged")
        database.execute("UPDATE asset SET data = ? WHERE digest = ?", (damaged, builders.digest(bad)))
    asked = {"digests": [builders.digest(data) for data in (bad, good)]}
    text, blobs = frames.unpack(server.request("POST", "/api/v1/assets/batch", plain=asked).body)
    assert json.loads(bytes(text))["digests"] == [builders.digest(good)]
    assert [bytes(blob) for blob in blobs] == [good]
    refused(server, builders.digest(bad), "is damaged: its bytes in the database are not those that were stored")


def test_a_damaged_value_does_not_come_along_with_its_dispatch(server: Installation) -> None:
    value = builders.asset("a value to be lost")
    path = ended(server, value)
    with contextlib.closing(sqlite3.connect(server.data / "covalent.db")) as database, database:
        database.execute("UPDATE asset SET data = ? WHERE digest = ?", (value[::-1], builders.digest(value)))
    text, blobs = frames.unpack(server.request("GET", path, headers=TAKES_FRAMES).body)
    assert json.loads(bytes(text))["result"]["digest"] == builders.digest(value)
    assert list(blobs) == []
    refused(server, builders.digest(value), "is damaged: its bytes in the database")
