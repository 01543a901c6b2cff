"""Assets that are kept compressed: smaller on the disk, the same for whoever reads them."""

from __future__ import annotations

import hashlib
import random
import sys
from contextlib import closing
from pathlib import Path

import pytest

from covalent_server.core.errors import LostAssetError
from covalent_server.errors import SettingsError
from covalent_server.storage.compression import SUFFIX
from covalent_server.storage.files import PIECE, FileStore

SHRINKS = b"the same words again and again; " * 70_000
DOES_NOT = random.Random(1).randbytes(300_000)  # noqa: S311 - no secret
#: Only its beginning shrinks, which is a third of the sample.
HARDLY = b"0" * 5000 + DOES_NOT


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def stored(store: FileStore, data: bytes) -> Path:
    with closing(store.receive(digest_of(data))) as upload:
        upload.write(data)
        return upload.finish()


def read(store: FileStore, data: bytes) -> bytes:
    with closing(store.open(digest_of(data), len(data))) as reading:
        return b"".join(reading.pieces())


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    made = FileStore(tmp_path / "assets", compress=True)
    made.prepare()
    return made


def test_what_shrinks_is_smaller_on_the_disk_and_the_same_when_it_is_read(store: FileStore) -> None:
    path = stored(store, SHRINKS)
    assert path.suffix == SUFFIX
    assert path.stat().st_size < len(SHRINKS) / 10
    assert len(SHRINKS) > 2 * PIECE, "it is read in several pieces"
    assert read(store, SHRINKS) == SHRINKS
    assert list(store.unfinished()) == []


@pytest.mark.parametrize("data", [DOES_NOT, HARDLY], ids=["nothing of it", "a small part of it"])
def test_what_does_not_shrink_stays_as_it_came(store: FileStore, data: bytes) -> None:
    path = stored(store, data)
    assert path.read_bytes() == data
    assert read(store, data) == data


def test_a_store_that_compresses_no_more_still_reads_what_is_compressed(store: FileStore) -> None:
    stored(store, SHRINKS)
    later = FileStore(store.incoming.parent)
    assert read(later, SHRINKS) == SHRINKS
    assert later.holds(digest_of(SHRINKS), len(SHRINKS))
    assert [digest for shard in later.shards() for digest in later.digests(shard)] == [digest_of(SHRINKS)]


@pytest.mark.parametrize("place", [5, 40, -1])
def test_a_damaged_compressed_file_is_noticed_never_read_to_its_end_and_set_aside(store: FileStore, place: int) -> None:
    path = stored(store, SHRINKS)
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(LostAssetError, match="is damaged"):
        read(store, SHRINKS)
    store.set_aside(digest_of(SHRINKS))
    assert store.aside(digest_of(SHRINKS)).exists()
    assert not store.holds(digest_of(SHRINKS), len(SHRINKS))
    with pytest.raises(LostAssetError, match="is damaged"):
        read(store, SHRINKS)
    stored(store, SHRINKS)
    assert read(store, SHRINKS) == SHRINKS


def test_a_compressed_file_that_ends_too_early_is_noticed(store: FileStore) -> None:
    path = stored(store, SHRINKS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(LostAssetError, match="is damaged"):
        read(store, SHRINKS)


def test_a_whole_compressed_file_is_not_set_aside(store: FileStore) -> None:
    stored(store, SHRINKS)
    store.set_aside(digest_of(SHRINKS))
    assert read(store, SHRINKS) == SHRINKS


def test_a_compressed_file_is_removed(store: FileStore) -> None:
    path = stored(store, SHRINKS)
    assert store.remove(digest_of(SHRINKS))
    assert not path.exists()
    with pytest.raises(LostAssetError, match="is gone"):
        read(store, SHRINKS)


def test_without_the_package_a_server_that_is_to_compress_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    FileStore(tmp_path).prepare()
    with pytest.raises(SettingsError, match=r"pip install 'covalent-server\[zstd\]'"):
        FileStore(tmp_path, compress=True).prepare()
