"""From the profile to the tables of ``docs/explanation/performance.md``; ``python -m benchmarks.costs_report``."""

from __future__ import annotations

import json
from typing import Any, Final

from benchmarks.environments import ROOT

LATEST: Final = ROOT / "benchmarks" / "results" / "profile.json"
PAGE: Final = ROOT / "docs" / "explanation" / "performance.md"
BEGIN: Final = "<!-- from benchmarks/results/profile.json; written by `nox -s profile -- --keep` -->"
END: Final = "<!-- end -->"
Record = dict[str, Any]


def table(record: Record) -> str:
    """A row for each part, a column for each workload, with what it was measured on."""
    loads = record["loads"]
    parts = list(next(iter(loads.values()))["microseconds"])
    cores = record["machine"]["cores"]
    sums = {title: sum(load["microseconds"].values()) for title, load in loads.items()}
    rows = [
        ["microseconds for each task", *loads],
        ["---", *(["--:"] * len(loads))],
        *([part, *(f"{load['microseconds'][part]:,.0f}" for load in loads.values())] for part in parts),
        ["**all of them**", *(f"**{value:,.0f}**" for value in sums.values())],
        [f"shared by {cores} processors", *(f"{value / cores:,.0f}" for value in sums.values())],
        ["by the clock", *(f"{load['wall_microseconds']:,.0f}" for load in loads.values())],
        [
            "the writer's commits, by the clock",
            *(f"{load['commit_wall_microseconds']:,.0f}" for load in loads.values()),
        ],
        ["commits for each task (not microseconds)", *(f"{load['commits']:.3f}" for load in loads.values())],
    ]
    machine = record["machine"]
    change = ", with changes that are not committed" if record["modified"] else ""
    place = (
        f"Measured on {record['date'][:10]} at commit `{record['commit'][:12]}`{change}: {machine['cpu']}, "
        f"{cores} cores, {machine['system']}, Python {machine['python']}; "
        f"load average {record['load']['before']:.1f} at the start."
    )
    return "\n".join([*(f"| {' | '.join(row)} |" for row in rows), "", place])


def page(text: str, record: Record) -> str:
    """The page with its table written anew."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} must hold the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{table(record)}\n\n{END}{after}"


def write(record: Record) -> None:
    """Bring the page up to date."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), record), encoding="utf-8")


def latest() -> Record:
    """The results of record."""
    record: Record = json.loads(LATEST.read_text(encoding="utf-8"))
    return record


if __name__ == "__main__":
    write(latest())
