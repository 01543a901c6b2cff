"""A task is begun or taken back, never both."""

from __future__ import annotations

from pathlib import Path

from covalent.worker.mark import Mark, Position


def at(begun: int) -> Position:
    return Position(begun=begun, stdout=10, stderr=20, since=1.5)


def test_what_one_side_begins_the_other_sees(tmp_path: Path) -> None:
    runner, supervisor = Mark(tmp_path / "mark"), Mark(tmp_path / "mark")
    assert supervisor.read() == Position(begun=0, stdout=0, stderr=0, since=0.0)
    assert runner.begin(at(1))
    assert supervisor.read() == at(1)


def test_a_revoked_task_is_not_begun_and_later_ones_are(tmp_path: Path) -> None:
    runner, supervisor = Mark(tmp_path / "mark"), Mark(tmp_path / "mark")
    assert runner.begin(at(1))
    assert supervisor.revoke(3).begun == 1
    assert not runner.begin(at(2))
    assert not runner.begin(at(3))
    assert runner.begin(at(4))
    assert supervisor.read().begun == 4
