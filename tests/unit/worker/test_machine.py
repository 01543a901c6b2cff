"""GPUs that several workers may give to their tasks."""

from __future__ import annotations

from pathlib import Path

from covalent.worker.machine import Gpus


def test_one_worker_has_a_gpu_at_a_time(tmp_path: Path) -> None:
    ours, theirs = (Gpus(["5", "GPU-1/2"], tmp_path / "gpus") for _ in range(2))
    assert ours.take(1) == ("5",)
    assert theirs.take(2) is None
    assert theirs.free == 2
    assert theirs.take(1) == ("GPU-1/2",)
    assert ours.take(1) is None
    ours.give_back(["5"])
    assert theirs.take(1) == ("5",)
    assert (ours.free, theirs.free) == (2, 0)


def test_none_is_taken_where_none_is_asked_for(tmp_path: Path) -> None:
    assert Gpus().take(0) == ()
    assert Gpus(["5"], tmp_path / "gpus").take(0) == ()
    assert not (tmp_path / "gpus").exists()
