from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks import life, run
from benchmarks.environments import BenchError
from benchmarks.life import Life
from benchmarks.plan import FULL, QUICK, Plan
from benchmarks.progress import Progress

RIGHT = "import json; print('a word of its own'); print(json.dumps({'%s': [1.0]}))"
WRONG = "raise SystemExit('the task of 1 gave 2')"
ALL_WORDS = "import pathlib, sys; pathlib.Path(__file__).with_name('words').write_text(' '.join(sys.argv[1:]))"
ONCE = Plan(rounds=1, one_task=1, large_value=1, imports=1, chains=((2, 1),), fans=((3, 1),))
CIRCUMSTANCES = {"format": 2, "commit": "a", "quick": False, "plan": {"one": (1, 2)}, "versions": {}, "load": {}}

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


@dataclass
class FakeSystem:
    """A system without tasks; its scripts print what they are told to."""

    workloads: Path
    name: str = "fake"
    client: Path = Path(sys.executable)
    module: str = "json"
    use: str = "import json; json.dumps"
    in_process: bool = False
    slow: bool = False
    broken: bool = False
    told: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.told.append("start")
        if self.broken:
            raise BenchError("it did not start")

    def stop(self) -> None:
        self.told.append("stop")

    @property
    def pids(self) -> list[int]:
        return [os.getpid()]

    @property
    def environ(self) -> dict[str, str]:
        return dict(os.environ)

    def script(self, workload: str) -> list[str]:
        return [str(self.workloads / f"{workload}.py")]


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    for name in ("one_task", "large_value", "chain", "fan_out"):
        (tmp_path / f"{name}.py").write_text(RIGHT % f"{name}_s", encoding="utf-8")
    return FakeSystem(tmp_path)


@on_linux
def test_a_life_gathers_what_every_script_printed_and_stops_what_it_started(system: FakeSystem) -> None:
    lived = life.common(system, ONCE, settling=0.0)
    assert lived.failures == []
    assert {"start_s", "idle_mb", "large_value_growth_mb", "one_task_s", "large_value_s", "chain_s"} <= set(
        lived.samples
    )
    assert len(lived.samples["import_over_bare_ms"]) == ONCE.imports
    assert system.told == ["start", "stop"]


@on_linux
def test_a_wrong_result_is_noted_and_the_rest_is_measured(system: FakeSystem) -> None:
    (system.workloads / "chain.py").write_text(WRONG, encoding="utf-8")
    lived = life.common(system, ONCE, settling=0.0)
    assert len(lived.failures) == 1
    assert "the task of 1 gave 2" in lived.failures[0]
    assert "chain_s" not in lived.samples
    assert "fan_out_s" in lived.samples
    assert system.told == ["start", "stop"]


def test_what_does_not_start_is_noted_and_stopped(system: FakeSystem) -> None:
    system.broken = True
    lived = life.common(system, ONCE, settling=0.0)
    assert lived.failures == ["it did not start"]
    assert lived.samples == {}
    assert system.told == ["start", "stop"]


@on_linux
def test_what_lives_in_its_scripts_is_stopped_before_one_process_runs_them_all(system: FakeSystem) -> None:
    (system.workloads / "one_task.py").write_text(ALL_WORDS, encoding="utf-8")
    system.in_process = True
    lived = life.common(system, ONCE, settling=0.0)
    # Twice is harmless; at the end it is asked for whatever has happened.
    assert system.told == ["start", "stop", "stop"]
    words = (system.workloads / "words").read_text(encoding="utf-8")
    assert words == "1 then large_value 1 then chain 2 1 then fan_out 3 1"
    assert lived.failures == []


def test_growth_is_the_same_with_one_jump_among_the_values() -> None:
    assert life.slope([10.0, 12.0, 14.0, 16.0]) == 2.0
    assert life.slope([10.0, 12.0, 14.0, 94.0, 18.0, 20.0]) == 2.0
    assert life.slope([5.0, 5.0, 5.0]) == 0.0


def test_an_interrupted_run_goes_on_with_what_it_has_and_tries_again_what_failed(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    begun = Progress.begin(path, CIRCUMSTANCES, resume=False)
    run.measure(begun, [("round 1: covalent", lambda: Life(samples={"one_task_ms": [1.0]}))])
    run.measure(begun, [("round 1: dask", lambda: Life(failures=["the machine was switched off"]))])
    again = Progress.begin(path, CIRCUMSTANCES, resume=True)
    assert again.has("round 1: covalent")
    assert not again.has("round 1: dask")

    def never() -> Life:
        raise AssertionError("it has been run")

    run.measure(again, [("round 1: covalent", never), ("round 1: dask", lambda: Life(samples={"chain_50_ms": [2.0]}))])
    record = again.record(load_after=0.5)
    assert record["rounds"] == {"covalent": [{"one_task_ms": [1.0]}], "dask": [{"chain_50_ms": [2.0]}]}
    assert record["failures"] == {}


@pytest.mark.parametrize("changed", ["commit", "quick", "plan", "versions", "format"])
def test_a_run_of_something_else_is_not_gone_on_with(tmp_path: Path, changed: str) -> None:
    path = tmp_path / "progress.json"
    begun = Progress.begin(path, CIRCUMSTANCES, resume=False)
    run.measure(begun, [("round 1: covalent", Life)])
    assert not Progress.begin(path, CIRCUMSTANCES | {changed: "another"}, resume=True).has("round 1: covalent")
    assert not Progress.begin(path, CIRCUMSTANCES, resume=False).has("round 1: covalent")


def test_what_only_ours_is_asked_joins_its_round_without_a_second_start(tmp_path: Path) -> None:
    begun = Progress.begin(tmp_path / "progress.json", CIRCUMSTANCES, resume=False)
    begun.keep("round 1: covalent", Life(samples={"start_s": [1.0], "one_task_ms": [5.0]}))
    begun.keep("round 1: covalent meshes", Life(samples={"start_s": [9.0], "mesh_1000_per_s": [3000.0]}))
    begun.keep("round 2: covalent meshes", Life(samples={"start_s": [9.0]}, failures=["a node was lost"]))
    record = begun.record(load_after=0.0)
    assert record["rounds"]["covalent"] == [{"start_s": [1.0], "one_task_ms": [5.0], "mesh_1000_per_s": [3000.0]}, {}]
    assert record["failures"] == {"round 2: covalent meshes": ["a node was lost"]}


def test_a_slow_system_runs_the_smallest_of_each_size_once() -> None:
    for plan in (FULL, QUICK):
        slower = plan.slower()
        assert slower.chains == ((plan.chains[0][0], 1),)
        assert slower.fans == ((plan.fans[0][0], 1),)
        assert slower.rounds == plan.rounds


def test_progress_is_plain_json(tmp_path: Path) -> None:
    begun = Progress.begin(tmp_path / "progress.json", CIRCUMSTANCES, resume=False)
    begun.keep("round 1: covalent", Life())
    assert json.loads(begun.path.read_text(encoding="utf-8"))["turns"]["round 1: covalent"]["failures"] == []
