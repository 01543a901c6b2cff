"""Who takes over what dead workers left, and what is kept of caches."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from covalent.errors import WorkerError
from covalent.worker import assets
from covalent.worker.assets import Assets
from covalent.worker.home import Home

_HOUR = 3600.0
_DAY = 24 * _HOUR


def _left_by_a_dead_worker(directory: Path, name: str, instance: str, pool: str) -> Path:
    path = directory / "workers" / name
    (path / "spool").mkdir(parents=True)
    (path / "spool" / "000001.spool").write_bytes(b"results")
    (path / "serves").write_text(f"{instance}\n{pool}\n")
    return path


def test_results_are_taken_over_by_the_same_pool_of_the_same_server_alone(tmp_path: Path) -> None:
    for name, instance, pool in [("a", "one", "cpu"), ("b", "one", "gpu"), ("c", "two", "cpu")]:
        _left_by_a_dead_worker(tmp_path, name, instance, pool)
    home = Home(tmp_path, "alive")
    assert [orphan.spool.parent.name for orphan in home.orphans("one", "cpu")] == ["a"]
    assert len(list((tmp_path / "workers").iterdir())) == 4


def test_what_tasks_kept_is_removed_when_nobody_wrote_to_it_for_a_month(tmp_path: Path) -> None:
    home = Home(tmp_path, "alive")
    now = 1e9
    for name, directory_days, file_days in [("old", 31, 31), ("written", 31, 29), ("made", 29, 31), ("new", 0, 0)]:
        path = home.checkpoints("ada") / name
        path.mkdir()
        (path / "state").write_text("x")
        os.utime(path / "state", (now - file_days * _DAY,) * 2)
        os.utime(path, (now - directory_days * _DAY,) * 2)
    (home.checkpoints("bob") / "empty").mkdir()
    os.utime(home.checkpoints("bob") / "empty", (now - 31 * _DAY,) * 2)
    for days in (31, 29):
        path = home.work / "d-1" / f"node_{days}"
        path.mkdir(parents=True)
        os.utime(path, (now - days * _DAY,) * 2)
    (home.work / "file").touch()
    home.forget_old(now)
    assert [path.name for path in home.work.glob("*/node_*")] == ["node_29"]
    assert (home.work / "file").exists()
    assert sorted(path.name for path in tmp_path.glob("owners/*/checkpoints/*")) == ["made", "new", "written"]


def test_a_worker_notes_whose_results_it_keeps(tmp_path: Path) -> None:
    dead = Home(tmp_path, "dead")
    dead.serves("one", "cpu")
    (dead.spool / "000001.spool").write_bytes(b"results")
    os.close(dead._lock or 0)
    home = Home(tmp_path, "alive")
    assert list(home.orphans("one", "gpu")) == []
    assert [orphan.spool for orphan in home.orphans("one", "cpu")] == [dead.spool]


def _aged(path: Path, age: float, now: float) -> Path:
    path.mkdir(parents=True)
    (path / "module.py").write_text("")
    os.utime(path, (now - age, now - age))
    return path


def test_the_projects_that_were_not_used_for_longest_are_removed(tmp_path: Path) -> None:
    now = 2_000_000_000.0
    paths = [_aged(tmp_path / f"{number:03}", (500 - number) * _HOUR, now) for number in range(104)]
    assets.trim_projects(tmp_path, now)
    assert sorted(tmp_path.iterdir()) == paths[4:]


def test_a_project_that_a_runner_serves_or_that_was_used_just_now_is_kept(tmp_path: Path) -> None:
    now = 2_000_000_000.0
    held = _aged(tmp_path / "held", _DAY, now)
    recent = [_aged(tmp_path / f"{number:03}", 60.0, now) for number in range(104)]
    descriptor = os.open(held, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    assets.trim_projects(tmp_path, now)
    assert sorted(tmp_path.iterdir()) == [*recent, held]
    os.close(descriptor)
    assets.trim_projects(tmp_path, now)
    assert sorted(tmp_path.iterdir()) == recent


def test_assets_of_former_boots_are_removed_when_nobody_touched_them_for_long(tmp_path: Path) -> None:
    now = 2_000_000_000.0
    current = _aged(tmp_path / "assets-now", 60 * _DAY, now)
    _aged(tmp_path / "assets-long-ago", 30 * _DAY, now)
    elsewhere = _aged(tmp_path / "assets-elsewhere", _DAY, now)
    assets.trim(current, now)
    assert sorted(tmp_path.iterdir()) == [elsewhere, current]


def test_what_is_no_digest_names_no_file(tmp_path: Path) -> None:
    cache = Assets(Home(tmp_path, "alive"))
    with pytest.raises(WorkerError, match="is not the digest of an asset"):
        cache.find("ada", "../../workers/alive/lock")
    with pytest.raises(WorkerError, match="is not the digest of an asset"):
        cache.project("ada", "..")


def test_looking_for_a_project_notes_that_it_is_used(tmp_path: Path) -> None:
    home = Home(tmp_path, "alive")
    place = _aged(home.projects("ada") / ("0" * 64), _DAY, 2_000_000_000.0)
    before = place.stat().st_mtime
    assert Assets(home).project("ada", "0" * 64) == place
    assert place.stat().st_mtime != before
    assert Assets(home).project("ada", "1" * 64) is None
