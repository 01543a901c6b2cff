"""What is measured, and what the design wants of it: the rows of every table."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

OURS: Final = "covalent"
Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A row: what is measured, under which name, and what is to be reached."""

    workload: str
    text: str
    key: str
    unit: str
    #: What has to be reached; None when nothing was set.
    goal: float | None = None
    more_is_better: bool = False
    #: Whether the systems' figures tell of the same thing.
    comparable: bool = True
    #: Judged by its worst sample instead of the median.
    by_worst: bool = False

    def reached(self, value: float) -> bool:
        """Whether a value is as good as wanted."""
        if self.goal is None:
            return True
        return value >= self.goal if self.more_is_better else value <= self.goal

    def judged(self, values: list[float]) -> float:
        """The figure that is held against the goal."""
        if self.by_worst:
            return min(values) if self.more_is_better else max(values)
        return statistics.median(values)


def _rate(workload: str, text: str, key: str, goal: float | None = None) -> Measure:
    return Measure(workload=workload, text=text, key=key, unit="tasks/s", goal=goal, more_is_better=True)


def _ours(workload: str, text: str, key: str, unit: str, goal: float, *, by_worst: bool = False) -> Measure:
    return Measure(workload=workload, text=text, key=key, unit=unit, goal=goal, comparable=False, by_worst=by_worst)


def _times(workload: str, text: str, key: str, goal: float) -> Measure:
    return Measure(workload=workload, text=text, key=key, unit="x", goal=goal, more_is_better=True, comparable=False)


MEASURES: Final = (
    Measure(workload="W1", text="one task, dispatch to value", key="one_task_ms", unit="ms", goal=7),
    Measure(workload="W1", text="the first task after a start", key="first_task_ms", unit="ms"),
    _rate("W2", "1,000 tasks into one", "fan_out_1000_per_s", 2500),
    _rate("W2", "10,000 tasks into one", "fan_out_10000_per_s", 2500),
    _times("W2", "1,000 tasks, ours to Dask's", "fan_out_over_dask", 5),
    _times("W2", "1,000 tasks, ours to Ray's", "fan_out_over_ray", 1.5),
    Measure(workload="W3", text="chain of 50, each hop", key="chain_50_ms", unit="ms", goal=3),
    Measure(workload="W3", text="chain of 200, each hop", key="chain_200_ms", unit="ms", goal=3),
    Measure(workload="W4", text="50 MB made, then summed", key="large_value_s", unit="s", goal=0.25),
    _ours("W4", "growth of the server's memory by it", "large_value_growth_mb", "MB", 5, by_worst=True),
    _rate("W5", "1,000 nodes in 20 layers", "mesh_1000_per_s"),
    _rate("W5", "20,000 nodes in 20 layers", "mesh_20000_per_s", 2500),
    _rate("W5", "100,000 nodes in 20 layers", "mesh_100000_per_s"),
    _times("W5", "100,000 nodes to 1,000", "mesh_kept", 0.8),
    Measure(workload="W6", text="bare Python, begun and ended (14 where the goals were set)", key="bare_ms", unit="ms"),
    _ours("W6", "import, over bare Python", "import_over_bare_ms", "ms", 60),
    Measure(workload="W6", text="import of what a script uses, over bare Python", key="use_over_bare_ms", unit="ms"),
    Measure(workload="W6", text="start until ready", key="start_s", unit="s", goal=1.2),
    Measure(workload="W6", text="memory while idle, without workers", key="idle_mb", unit="MB", goal=60),
    Measure(workload="W6", text="its memory after W1 to W4", key="after_mb", unit="MB"),
    _ours("W6", "what the client depends on", "client_dependencies", "packages", 3),
    _ours("W6", "the client installed", "client_mb", "MB", 25),
    _ours("W6", "of that our own", "client_own_mb", "MB", 2),
    _ours("W7", "tracing 10,000 calls", "trace_10000_s", "s", 0.8),
    _ours("W7", "then until the server has them on disk", "accept_10000_s", "s", 1.5),
    Measure(workload="W7", text="handing over 1,000 tasks", key="hand_over_1000_s", unit="s"),
    Measure(workload="W7", text="handing over 10,000 tasks", key="hand_over_10000_s", unit="s"),
    _ours("W8", "200 clients: submitting, 99th percentile", "clients_p99_ms", "ms", 500),
    Measure(workload="W8", text="submitting, median", key="clients_p50_ms", unit="ms"),
    Measure(workload="W8", text="dispatch to value, 99th percentile", key="clients_finished_p99_ms", unit="ms"),
    Measure(
        workload="W8",
        text="workflows of three tasks ended",
        key="clients_per_s",
        unit="a second",
        more_is_better=True,
    ),
    _ours("W8", "errors", "clients_errors", "in all", 0, by_worst=True),
    _ours("W8", "messages of a locked database", "clients_lock_messages", "in all", 0, by_worst=True),
    _ours("W9", "100,000 tasks: memory kept for each", "volume_memory_kb_per_task", "KB", 1),
    _ours("W9", "database for each", "volume_database_kb_per_task", "KB", 2),
    _rate("W9", "all of them, in dispatches of 1,000", "volume_per_s"),
    Measure(workload="E1", text="one task with a package never asked for before", key="layer_cold_ms", unit="ms"),
    Measure(workload="E1", text="the same package again, for the first time", key="layer_second_ms", unit="ms"),
    Measure(workload="E1", text="and later, in turns with the next", key="layer_warm_ms", unit="ms"),
    Measure(workload="E1", text="one task without packages", key="layer_plain_ms", unit="ms"),
    _ours("E1", "what they differ by", "layer_extra_ms", "ms", 50),
)


def samples(record: Record, system: str, key: str) -> list[float]:
    """Every sample of a measure, in the order of the rounds; ours may be made of others."""
    if system == OURS and key in _MADE_OF_OTHERS:
        return _MADE_OF_OTHERS[key](record)
    return [value for one in record["rounds"].get(system, ()) for value in one.get(key, ())]


def missed(record: Record) -> list[str]:
    """The goals that are not reached, in words."""
    found = []
    for measure in MEASURES:
        values = samples(record, OURS, measure.key)
        if values and not measure.reached(measure.judged(values)):
            figure = number(measure.judged(values))
            found.append(f"{measure.workload} {measure.text}: {figure} {measure.unit}, goal {wanted(measure)}")
    return found


def wanted(measure: Measure) -> str:
    """The goal, in words."""
    return "" if measure.goal is None else f"{'>=' if measure.more_is_better else '<='} {measure.goal:,g}"


def number(value: float) -> str:
    """Three figures, never in powers of ten."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def _ratio(record: Record, above: tuple[str, str], below: tuple[str, str]) -> list[float]:
    over, under = samples(record, *above), samples(record, *below)
    return [statistics.median(over) / statistics.median(under)] if over and under else []


_FAN: Final = "fan_out_1000_per_s"
_MADE_OF_OTHERS: Final[dict[str, Callable[[Record], list[float]]]] = {
    "fan_out_over_dask": lambda record: _ratio(record, (OURS, _FAN), ("dask", _FAN)),
    "fan_out_over_ray": lambda record: _ratio(record, (OURS, _FAN), ("ray", _FAN)),
    "mesh_kept": lambda record: _ratio(record, (OURS, "mesh_100000_per_s"), (OURS, "mesh_1000_per_s")),
    "client_dependencies": lambda record: [float(len(record["client_mb"]) - 1)],
    "client_mb": lambda record: [sum(record["client_mb"].values())],
    "client_own_mb": lambda record: [record["client_mb"]["covalent-sdk"]],
}
