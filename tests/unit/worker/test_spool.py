"""Results on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from covalent.wire.work import Completion, LeaseKey, Outcome
from covalent.worker import spool
from covalent.worker.outbox import entry
from covalent.worker.spool import Entry, Spool


def made(number: int) -> Entry:
    key = LeaseKey(node=number, attempt=1, token=str(number))
    completion = Completion(key=key, outcome=Outcome.COMPLETED, output="0" * 64)
    return entry(completion, [("stdout", 0, b"printed")], assets={"0" * 64: b"value"})


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Spool]:
    with closing(Spool(tmp_path)) as made:
        yield made


def nodes(directory: Path) -> list[int]:
    return [item.result.completion.key.node for item in spool.read(directory)]


def test_what_is_written_is_read_with_its_blobs(written: Spool, tmp_path: Path) -> None:
    written.write([made(1), made(2)])
    first, second = spool.read(tmp_path)
    assert [bytes(blob) for blob in first.blobs] == [b"value", b"printed"]
    assert first.result.streams[0].stream == "stdout"
    assert second.result == made(2).result


def test_a_segment_is_emptied_when_all_of_it_is_acknowledged_and_used_again(written: Spool, tmp_path: Path) -> None:
    entries = [made(1), made(2)]
    written.write(entries)
    written.done(entries[0])
    assert nodes(tmp_path) == [1, 2]
    written.done(entries[1])
    assert nodes(tmp_path) == []
    written.write([made(3)])
    assert nodes(tmp_path) == [3]
    assert len(list(tmp_path.iterdir())) == 1


def test_results_under_way_and_new_ones_are_in_different_segments(written: Spool, tmp_path: Path) -> None:
    first, second = made(1), made(2)
    written.write([first])
    written.write([second])
    written.done(first)
    assert nodes(tmp_path) == [2]


def test_a_result_that_was_cut_off_by_death_ends_its_segment(written: Spool, tmp_path: Path) -> None:
    written.write([made(1), made(2)])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    assert nodes(tmp_path) == [1]
