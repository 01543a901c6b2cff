"""From the samples to tables: those on the terminal, and those that stand in ``docs/benchmarks.md``.

``python -m benchmarks.report`` writes the page's tables and the plot anew from ``results/latest.json``; a test holds
them together.
"""

from __future__ import annotations

import json
import statistics
from typing import Final

from benchmarks import plot
from benchmarks.environments import ROOT
from benchmarks.measures import MEASURES, OURS, Measure, Record, number, samples, wanted
from benchmarks.peers import PEERS, Facts

LATEST: Final = ROOT / "benchmarks" / "results" / "latest.json"
PLOT: Final = LATEST.with_suffix(".svg")
PAGE: Final = ROOT / "docs" / "benchmarks.md"
BEGIN: Final = "<!-- from benchmarks/results/latest.json; written by `python -m benchmarks.report` -->"
END: Final = "<!-- end -->"
Rows = list[tuple[str, ...]]


def own_rows(record: Record) -> Rows:
    """Ours and its goals; a measure that is younger than the record has no row."""
    found: Rows = [
        ("", "workload", "goal", "Covalent", "reached"),
        ("", "on disk before the caller gets the value", "yes", "yes", "yes"),
    ]
    for measure in MEASURES:
        values = samples(record, OURS, measure.key)
        if values:
            reached = "" if measure.goal is None else "yes" if measure.reached(measure.judged(values)) else "**no**"
            text = f"{measure.text}, {measure.unit}"
            found.append((measure.workload, text, wanted(measure), _spread(values), reached))
    return found


def beside_rows(record: Record) -> Rows:
    """Every system that was measured in the run, and in brackets how many times better ours is."""
    peers = measured_peers(record)
    found: Rows = [
        ("", "workload", "Covalent", *(peer.title for peer in peers)),
        ("", "on disk before the caller gets the value", "yes", *(peer.on_disk for peer in peers)),
    ]
    for measure in MEASURES:
        ours = samples(record, OURS, measure.key)
        theirs = [samples(record, peer.name, measure.key) for peer in peers]
        if ours and any(theirs):
            cells = (_beside(measure, ours, values) for values in theirs)
            text = f"{measure.text}, {measure.unit}"
            found.append((measure.workload, text, number(statistics.median(ours)), *cells))
    return found


def measured_peers(record: Record) -> list[Facts]:
    """The peers of the run, in their order."""
    return [peer for peer in PEERS if peer.name in record["rounds"]]


def tables(record: Record) -> str:
    """Both tables in Markdown, with what they were measured on."""
    own, beside = (_markdown(rows(record)) for rows in (own_rows, beside_rows))
    return "\n\n".join([own, *_circumstances(record), beside, _absent(record)]).rstrip()


def as_text(record: Record) -> str:
    """Both tables in columns, for a terminal."""
    own, beside = (_columns(rows(record)) for rows in (own_rows, beside_rows))
    return "\n\n".join([own, beside, *_circumstances(record), _absent(record)]).rstrip()


def page(text: str, record: Record) -> str:
    """The page with its tables written anew."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} must hold the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{tables(record)}\n\n{END}{after}"


def picture(record: Record) -> str:
    """The plot, as SVG."""
    return plot.drawn(record, [(OURS, "Covalent"), *((peer.name, peer.title) for peer in measured_peers(record))])


def write(record: Record) -> None:
    """Bring the page and the plot up to date."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), record), encoding="utf-8")
    PLOT.write_text(picture(record), encoding="utf-8")


def latest() -> Record:
    """The results of record."""
    record: Record = json.loads(LATEST.read_text(encoding="utf-8"))
    return record


def _beside(measure: Measure, ours: list[float], values: list[float]) -> str:
    if not values:
        return ""
    mine, other = statistics.median(ours), statistics.median(values)
    figure = number(other)
    if not measure.comparable or mine <= 0 or other <= 0:
        return figure
    return f"{figure} ({number(mine / other if measure.more_is_better else other / mine)}x)"


def _spread(values: list[float]) -> str:
    median = number(statistics.median(values))
    return median if len(values) == 1 else f"{median} ({number(min(values))} - {number(max(values))})"


def _markdown(rows: Rows) -> str:
    head, *body = rows
    rule = ["---"] * 2 + ["--:"] * (len(head) - 2)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *body))


def _columns(rows: Rows) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _circumstances(record: Record) -> tuple[str, str]:
    machine, versions = record["machine"], record["versions"]
    change = ", with changes that are not committed" if record["modified"] else ""
    packages = [(peer.distribution, versions[peer.name][peer.distribution]) for peer in measured_peers(record)]
    peers = ", ".join(f"{name} {version}" for name, version in packages)
    place = (
        f"Measured on {record['date'][:10]} at commit `{record['commit'][:12]}`{change}: {machine['cpu']}, "
        f"{machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, {machine['file_system']}, "
        f"Python {machine['python']}; covalent {versions['client']['covalent-sdk']}, {peers}; "
        f"load average {record['load']['before']:.1f} at the start."
    )
    return f"Median (smallest - largest) of all runs in {len(record['rounds'][OURS])} rounds.", place


def _absent(record: Record) -> str:
    """What a reader would look for in vain, and why."""
    missing = [f"{peer.title} could not be installed." for peer in PEERS if peer.name in record["missing"]]
    failed = [f"Something failed in {name}." for name in record["failures"]]
    return " ".join([*missing, *failed])


if __name__ == "__main__":
    write(latest())
