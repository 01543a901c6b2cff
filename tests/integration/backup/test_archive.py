"""The file of a backup: what goes in comes out, in flat memory, and other programs read it."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from covalent_server.backup.archive import Archive, members, pieces
from covalent_server.errors import DamagedDataError

FILES = {"covalent.db": b"x" * 5000, "empty": b"", "assets/ab/" + "c" * 62: b"y" * 512}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "archive"
    with path.open("xb") as file:
        archive = Archive(file)
        for name, data in FILES.items():
            added = archive.add(name, len(data), [data[:7], data[7:]])
            assert (added.name, added.size, added.sha256) == (name, len(data), hashlib.sha256(data).hexdigest())
        archive.close()
    return path


def read(path: Path) -> dict[str, bytes]:
    with path.open("rb") as file:
        return {member.name: b"".join(member.pieces) for member in members(file)}


def test_what_was_put_in_comes_out(path: Path) -> None:
    assert read(path) == FILES


def test_files_that_are_not_read_are_passed_over(path: Path) -> None:
    with path.open("rb") as file:
        assert [(member.name, member.size) for member in members(file)] == [(n, len(d)) for n, d in FILES.items()]


def test_tar_reads_it_too(path: Path) -> None:
    with tarfile.open(path) as tar:
        assert {item.name: tar.extractfile(item).read() for item in tar} == FILES  # type: ignore[union-attr]


def test_a_file_that_cannot_be_read_to_its_end_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[bytes]:
        yield b"a" * 3000
        raise KeyError

    with (tmp_path / "archive").open("xb") as file:
        archive = Archive(file)
        archive.add("first", 1, [b"1"])
        with pytest.raises(KeyError):
            archive.add("second", 4000, failing())
        archive.add("third", 1, [b"3"])
        archive.close()
    assert read(tmp_path / "archive") == {"first": b"1", "third": b"3"}


@pytest.mark.parametrize("kept", [0, 100, 512, 700, 5000, 6000])
def test_one_that_was_cut_short_is_refused(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DamagedDataError):
        read(path)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"once upon a time" * 100)
    with pytest.raises(DamagedDataError, match="no backup"):
        read(tmp_path / "text")


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with tarfile.open(tmp_path / "archive", "w") as tar:
        tar.add(tmp_path / "link", "covalent.db")
    with pytest.raises(DamagedDataError, match="not a file"):
        read(tmp_path / "archive")


def test_fewer_bytes_than_there_ought_to_be_are_told(path: Path) -> None:
    with path.open("rb") as file, pytest.raises(DamagedDataError, match="cut short"):
        list(pieces(file, path.stat().st_size + 1))
