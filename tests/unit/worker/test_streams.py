"""Streams cut into tasks and pieces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from covalent.masks import Masks
from covalent.worker import streams
from covalent.worker.streams import StreamFile

_NOTHING = Masks()
_ROSE = "rose-hip-and-thyme"


@pytest.fixture
def file(tmp_path: Path) -> StreamFile:
    return _written(tmp_path, b"before|the task's own|after")


def _written(directory: Path, data: bytes) -> StreamFile:
    file = StreamFile(directory, "stdout")
    os.write(file.descriptor, data)
    return file


def test_pieces_cover_exactly_the_tasks_part(file: StreamFile) -> None:
    assert list(streams.pieces(file, 7, 21, 0, most=8, masks=_NOTHING)) == [(0, b"the task"), (8, b"'s own")]


def test_what_was_sent_is_not_sent_again(file: StreamFile) -> None:
    assert list(streams.pieces(file, 7, 21, 8, most=100, masks=_NOTHING)) == [(8, b"'s own")]
    assert list(streams.pieces(file, 7, 21, 14, most=100, masks=_NOTHING)) == []


def test_a_long_stream_is_cut_once_with_a_note(file: StreamFile) -> None:
    note = streams.cut_note()
    assert list(streams.pieces(file, 7, 21, 0, most=100, limit=3, masks=_NOTHING)) == [(0, b"the"), (3, note)]
    assert list(streams.pieces(file, 7, 21, 3 + len(note), most=100, limit=3, masks=_NOTHING)) == []


def test_a_streams_file_has_no_name(tmp_path: Path) -> None:
    _written(tmp_path, b"printed")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("most", range(1, 40))
def test_a_secret_is_hidden_wherever_pieces_end(tmp_path: Path, most: int) -> None:
    printed = f"one {_ROSE} two {_ROSE}{_ROSE} three".encode()
    file = _written(tmp_path, printed)
    pieces = list(streams.pieces(file, 0, len(printed), 0, most=most, masks=Masks([_ROSE])))
    stars = b"*" * len(_ROSE)
    assert b"".join(data for _, data in pieces) == b"one " + stars + b" two " + stars + stars + b" three"
    assert [offset for offset, _ in pieces] == list(range(0, len(printed), most))


def test_of_a_running_task_nothing_is_shown_that_may_become_a_secret(tmp_path: Path) -> None:
    printed = f"one {_ROSE}".encode()
    file = StreamFile(tmp_path, "stdout")
    shown = b""
    for byte in printed:
        os.write(file.descriptor, bytes([byte]))
        size = file.size()
        for offset, data in streams.pieces(file, 0, size, len(shown), most=100, masks=Masks([_ROSE]), running=True):
            assert offset == len(shown)
            shown += data
    assert shown == b"one " + b"*" * len(_ROSE)


def test_the_beginning_of_a_secret_is_hidden_where_a_stream_is_cut(tmp_path: Path) -> None:
    printed = f"one {_ROSE} two".encode()
    file = _written(tmp_path, printed)
    for running in (False, True):
        pieces = streams.pieces(file, 0, len(printed), 0, most=100, limit=10, masks=Masks([_ROSE]), running=running)
        assert next(pieces) == (0, b"one ******")


def test_a_task_that_ends_in_the_midst_of_a_secret_shows_none_of_it(tmp_path: Path) -> None:
    file = _written(tmp_path, f"one {_ROSE[:-1]}".encode())
    (piece,) = streams.pieces(file, 0, file.size(), 0, most=100, masks=Masks([_ROSE]))
    assert piece == (0, b"one " + b"*" * (len(_ROSE) - 1))
