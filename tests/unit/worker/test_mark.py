"""A task is begun or taken back, never both."""

from __future__ import annotations

from pathlib import Path

from covalent.worker.mark import Mark, Position


def test_what_one_side_begins_the_other_sees(tmp_path: Path) -> None:
    runner, supervisor = Mark(tmp_path / "mark"), Mark(tmp_path / "mark")
    assert supervisor.read() == Position(begun=0, stdout=0, stderr=0)
    assert runner.begin(1, 10, 20)
    assert supervisor.read() == Position(begun=1, stdout=10, stderr=20)


def test_a_revoked_task_is_not_begun_and_later_ones_are(tmp_path: Path) -> None:
    runner, supervisor = Mark(tmp_path / "mark"), Mark(tmp_path / "mark")
    assert runner.begin(1, 0, 0)
    assert supervisor.revoke(3).begun == 1
    assert not runner.begin(2, 0, 0)
    assert not runner.begin(3, 0, 0)
    assert runner.begin(4, 0, 0)
    assert supervisor.read().begun == 4
