"""Streams cut into tasks and pieces."""

from __future__ import annotations

from pathlib import Path

import pytest

from covalent.worker import streams
from covalent.worker.streams import StreamFile


@pytest.fixture
def file(tmp_path: Path) -> StreamFile:
    path = tmp_path / "stdout"
    path.write_bytes(b"before|the task's own|after")
    return StreamFile(path)


def test_pieces_cover_exactly_the_tasks_part(file: StreamFile) -> None:
    assert list(streams.pieces(file, 7, 21, 0, most=8)) == [(0, b"the task"), (8, b"'s own")]


def test_what_was_sent_is_not_sent_again(file: StreamFile) -> None:
    assert list(streams.pieces(file, 7, 21, 8, most=100)) == [(8, b"'s own")]
    assert list(streams.pieces(file, 7, 21, 14, most=100)) == []


def test_a_long_stream_is_cut_once_with_a_note(file: StreamFile) -> None:
    assert list(streams.pieces(file, 7, 21, 0, most=100, limit=3)) == [(0, b"the"), (3, streams.cut_note())]
    assert list(streams.pieces(file, 7, 21, 3 + len(streams.cut_note()), most=100, limit=3)) == []
