from __future__ import annotations

import dataclasses
import stat
from pathlib import Path

import pytest

from covalent_server.cli import lock, processes, record
from covalent_server.cli.directory import DataDirectory
from covalent_server.cli.record import ServerRecord, State


@pytest.fixture
def place(tmp_path: Path) -> DataDirectory:
    return DataDirectory(path=tmp_path)


@pytest.fixture
def mine() -> ServerRecord:
    me = processes.this()
    return ServerRecord(
        pid=me.pid, process_started=me.started, url="http://localhost:1", instance="i", guard="armed", version="1",
        started_at=1.5, flags={"port": "0"},
    )  # fmt: skip


def test_a_record_is_read_as_it_was_written_and_closed_to_others(place: DataDirectory, mine: ServerRecord) -> None:
    record.write(place.record, mine)
    with lock.hold(place.lock):
        found = record.look(place)
    assert (found.state, found.record, found.process) == (State.RUNNING, mine, processes.this())
    assert stat.S_IMODE(place.record.stat().st_mode) == 0o600
    assert sorted(file.name for file in place.path.iterdir()) == ["lock", "server.json"]


def test_nothing_there_is_a_stopped_server(place: DataDirectory) -> None:
    assert record.look(place) == record.Found(state=State.STOPPED)


def test_a_record_without_the_lock_is_stale_even_when_its_pid_lives(place: DataDirectory, mine: ServerRecord) -> None:
    record.write(place.record, mine)
    assert record.look(place) == record.Found(state=State.STOPPED, stale=mine)


@pytest.mark.parametrize("change", [{"pid": 1}, {"process_started": "0"}])
def test_a_record_of_another_process_is_not_taken_for_the_holder_of_the_lock(
    change: dict[str, int | str], place: DataDirectory, mine: ServerRecord
) -> None:
    other = dataclasses.replace(mine, **change)  # type: ignore[arg-type]  # fields by name
    record.write(place.record, other)
    with lock.hold(place.lock):
        found = record.look(place)
    assert (found.state, found.record, found.stale) == (State.STARTING, None, other)


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"pid": "x"}', "\xff"])
def test_a_damaged_record_counts_as_none(text: str, place: DataDirectory) -> None:
    place.record.write_text(text, encoding="latin-1")
    assert record.look(place) == record.Found(state=State.STOPPED)
