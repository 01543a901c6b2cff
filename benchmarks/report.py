"""From the samples to tables: the one on the terminal, and the one that stands in ``docs/benchmarks.md``.

``python -m benchmarks.report`` writes the page's tables anew from ``results/latest.json``; a test holds both together.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.environments import ROOT

LATEST: Final = ROOT / "benchmarks" / "results" / "latest.json"
PAGE: Final = ROOT / "docs" / "benchmarks.md"
BEGIN: Final = "<!-- from benchmarks/results/latest.json; written by `python -m benchmarks.report` -->"
END: Final = "<!-- end -->"
OURS, PEER = "covalent", "dask"
Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A row: what is measured, under which name, and what is to be reached."""

    workload: str
    text: str
    key: str
    unit: str
    #: What has to be reached now, and later; None when nothing was set.
    target: float | None = None
    goal: float | None = None
    more_is_better: bool = False
    #: Whether the two systems' figures tell of the same thing.
    comparable: bool = True
    #: Judged by its worst sample instead of the median.
    by_worst: bool = False

    def reached(self, value: float, wanted: float) -> bool:
        """Whether a value is as good as wanted."""
        return value >= wanted if self.more_is_better else value <= wanted


MEASURES: Final = (
    Measure(workload="W1", text="one task, dispatch to value", key="one_task_ms", unit="ms", target=25, goal=7),
    Measure(workload="W1", text="the first task after a start", key="first_task_ms", unit="ms"),
    Measure(
        workload="W2",
        text="1,000 tasks into one",
        key="fan_out_1000_per_s",
        unit="tasks/s",
        target=800,
        goal=2500,
        more_is_better=True,
    ),
    Measure(
        workload="W2",
        text="10,000 tasks into one",
        key="fan_out_10000_per_s",
        unit="tasks/s",
        goal=2500,
        more_is_better=True,
    ),
    Measure(workload="W3", text="chain of 50, each hop", key="chain_50_ms", unit="ms", target=6, goal=3),
    Measure(workload="W3", text="chain of 200, each hop", key="chain_200_ms", unit="ms", target=6, goal=3),
    Measure(workload="W4", text="50 MB made, then summed", key="large_value_s", unit="s", goal=0.25),
    Measure(
        workload="W4",
        text="growth of the server's memory by it, at its peak",
        key="large_value_growth_mb",
        unit="MB",
        target=5,
        goal=5,
        comparable=False,
        by_worst=True,
    ),
    Measure(
        workload="W6",
        text="import, over bare Python",
        key="import_over_bare_ms",
        unit="ms",
        target=60,
        goal=60,
        comparable=False,
    ),
    Measure(
        workload="W6", text="import of what every script uses, over bare Python", key="use_over_bare_ms", unit="ms"
    ),
    Measure(workload="W6", text="start until ready", key="start_s", unit="s", target=2, goal=1.2),
    Measure(workload="W6", text="memory of the idle server", key="idle_mb", unit="MB", target=65, goal=60),
    Measure(workload="W6", text="its memory after all workloads", key="after_mb", unit="MB"),
    Measure(workload="W7", text="tracing 10,000 calls", key="trace_10000_s", unit="s", goal=0.8),
    Measure(workload="W7", text="then until the server has them on disk", key="accept_10000_s", unit="s", goal=1.5),
    Measure(workload="W7", text="both, by one call of `dispatch`; Dask: `map`", key="hand_over_10000_s", unit="s"),
    Measure(workload="E1", text="one task with a package never asked for before", key="layer_cold_ms", unit="ms"),
    Measure(workload="E1", text="the same package again, for the first time", key="layer_second_ms", unit="ms"),
    Measure(workload="E1", text="and later, in turns with the next", key="layer_warm_ms", unit="ms"),
    Measure(workload="E1", text="one task without packages", key="layer_plain_ms", unit="ms"),
    Measure(workload="E1", text="what they differ by", key="layer_extra_ms", unit="ms", target=50, goal=50),
)


def samples(record: Record, system: str, key: str) -> list[float]:
    """Every sample of a measure, in the order of the rounds."""
    return [value for samples in record["rounds"][system] for value in samples.get(key, ())]


def judged(measure: Measure, record: Record) -> float:
    """Our figure that is held against the target."""
    values = samples(record, OURS, measure.key)
    return max(values) if measure.by_worst else statistics.median(values)


def missed(record: Record) -> list[str]:
    """The targets that are not reached, in words."""
    return [
        f"{measure.workload} {measure.text}: {_number(judged(measure, record))} {measure.unit}, "
        f"target {_wanted(measure, measure.target)}"
        for measure in MEASURES
        if measure.target is not None
        and samples(record, OURS, measure.key)
        and not measure.reached(judged(measure, record), measure.target)
    ]


def rows(record: Record) -> list[tuple[str, ...]]:
    """The table: a head, then a row for each measure; one that is younger than the record has none."""
    head = ("", "workload", "target", "Covalent", "Dask", "Covalent is better by", "later goal")
    durable = ("", "on disk before the caller gets the value", "yes", "yes", "no", "", "yes")
    measured = (measure for measure in MEASURES if samples(record, OURS, measure.key))
    return [head, durable, *(_row(measure, record) for measure in measured)]


def table(record: Record) -> str:
    """The table in Markdown, with what it was measured on."""
    head, *body = rows(record)
    lines = [_markdown(head), _markdown(["---"] * 2 + ["--:"] * (len(head) - 2)), *map(_markdown, body)]
    return "\n".join([*lines, "", *_circumstances(record)])


def as_text(record: Record) -> str:
    """The table in columns, for a terminal."""
    cells = rows(record)
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([*lines, "", *_circumstances(record)])


def page(text: str, record: Record) -> str:
    """The page with its table written anew."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} must hold the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{table(record)}\n\n{END}{after}"


def write_page(record: Record) -> None:
    """Bring the page up to date."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), record), encoding="utf-8")


def latest() -> Record:
    """The results of record."""
    record: Record = json.loads(LATEST.read_text(encoding="utf-8"))
    return record


def _row(measure: Measure, record: Record) -> tuple[str, ...]:
    ours, peers = samples(record, OURS, measure.key), samples(record, PEER, measure.key)
    ratio = ""
    if measure.comparable and ours and peers:
        mine, other = statistics.median(ours), statistics.median(peers)
        ratio = f"{_number(mine / other if measure.more_is_better else other / mine)}x"
    wanted = (_wanted(measure, measure.target), _wanted(measure, measure.goal))
    figures = (_spread(ours), _spread(peers))
    return (measure.workload, f"{measure.text}, {measure.unit}", wanted[0], *figures, ratio, wanted[1])


def _spread(values: list[float]) -> str:
    if not values:
        return ""
    median = _number(statistics.median(values))
    return median if len(values) == 1 else f"{median} ({_number(min(values))} - {_number(max(values))})"


def _wanted(measure: Measure, value: float | None) -> str:
    sign = ">=" if measure.more_is_better else "<="
    return "" if value is None else f"{sign} {value:,g}"


def _number(value: float) -> str:
    """Three figures, never in powers of ten."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _markdown(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _circumstances(record: Record) -> list[str]:
    machine, versions, client = record["machine"], record["versions"], record["client_mb"]
    change = ", with changes that are not committed" if record["modified"] else ""
    packages = (
        f"Median (smallest - largest) of all runs in {len(record['rounds'][OURS])} rounds. "
        f"The client installs {len(client)} packages, {_number(sum(client.values()))} MB in all, "
        f"of which covalent-sdk is {_number(client['covalent-sdk'])} MB."
    )
    place = (
        f"Measured on {record['date'][:10]} at commit `{record['commit'][:12]}`{change}: {machine['cpu']}, "
        f"{machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, {machine['file_system']}, "
        f"Python {machine['python']}; covalent {versions['client']['covalent-sdk']}, "
        f"distributed {versions['peer']['distributed']}; load average {record['load']['before']:.1f} at the start."
    )
    return [packages, "", place]


if __name__ == "__main__":
    write_page(latest())
