from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks import run
from benchmarks.environments import BenchError
from benchmarks.plan import Plan

RIGHT = "import json; print(json.dumps({'%s': [1.0]}))"
WRONG = "raise SystemExit('the task of 1 gave 2')"
ONCE = Plan(rounds=1, one_task=1, large_value=1, imports=1, layers=1, chains=((2, 1),), fans=((3, 1),))


@dataclass
class FakeSystem:
    """A system without tasks; its scripts print what they are told to."""

    workloads: Path
    name: str = "fake"
    client: Path = Path(sys.executable)
    module: str = "json"
    use: str = "import json; json.dumps"
    told: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.told.append("start")

    def stop(self) -> None:
        self.told.append("stop")

    @property
    def pid(self) -> int:
        return os.getpid()

    @property
    def environ(self) -> dict[str, str]:
        return dict(os.environ)


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    for name in ("one_task", "large_value", "chain", "fan_out"):
        (tmp_path / f"{name}.py").write_text(RIGHT % f"{name}_s", encoding="utf-8")
    return FakeSystem(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_round_gathers_what_every_script_printed_and_stops_what_it_started(system: FakeSystem) -> None:
    samples = run.measure_once(system, ONCE, settling=0.0)
    assert {"start_s", "idle_mb", "large_value_growth_mb", "one_task_s", "large_value_s", "chain_s"} <= set(samples)
    assert len(samples["import_over_bare_ms"]) == ONCE.imports
    assert system.told == ["start", "stop"]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_wrong_result_ends_the_bench_and_what_it_started(system: FakeSystem) -> None:
    (system.workloads / "chain.py").write_text(WRONG, encoding="utf-8")
    with pytest.raises(BenchError, match="the task of 1 gave 2"):
        run.measure_once(system, ONCE, settling=0.0)
    assert system.told == ["start", "stop"]
