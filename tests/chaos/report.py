"""From the records of the latest campaigns to the tables in ``docs/explanation/durability.md``.

``python -m tests.chaos.report`` writes the tables anew; a test holds both together.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tests.chaos import points

#: By the kind of database.
LATEST: Final = {
    points.SQLITE: Path(__file__).with_name("latest.json"),
    points.POSTGRESQL: Path(__file__).with_name("latest-postgresql.json"),
}
PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "durability.md"
BEGIN: Final = {
    database: f"<!-- from tests/chaos/{path.name}; written by `python -m tests.chaos.report` -->"
    for database, path in LATEST.items()
}
END: Final = "<!-- end -->"

_ROLES: Final = {
    "server": "servers killed",
    "worker": "workers killed",
    "runner": "runners killed, the processes that tasks run in",
    "builder": "processes killed that were installing packages",
    "migration": "migrations of the database killed",
    "command": "`covalent start` itself killed",
    "session": "sessions of PostgreSQL killed, upon which it ends all others",
}
_PROMISES: Final = {
    "lost": "acknowledged results or workflows lost, damaged or wrong",
    "twice": "results, workflows or firings of triggers recorded twice",
    "stuck": "workflows stuck",
    "unexplained": "repeated executions without a reason",
}
#: What the proxy did; the other troubles say by themselves what they are.
_FATES: Final = {
    "lost": "requests that never arrived",
    "answer lost": "requests whose answer never arrived",
    "doubled": "requests that arrived twice",
    "delayed": "requests that were held up while others passed",
}


def table(record: dict[str, Any]) -> str:
    """The record in Markdown."""
    counts, hits = record["counts"], record["points"]
    done = [(_ROLES[role], number) for role, number in record["kills"].items()]
    done += [(_FATES.get(trouble, trouble), number) for trouble, number in record["troubles"].items()]
    done.append(
        (
            "points in the sources, each right before or right after such a place, at which somebody was killed",
            len(hits),
        )
    )
    if left := record.get("points left"):
        done.append(("such points that nobody came to in this campaign", len(left)))
    found = [(_PROMISES[promise], number) for promise, number in record["faults"].items()]
    found += [
        ("workflows taken by the server", counts["workflows"]),
        ("tasks completed", counts["tasks"]),
        ("results acknowledged to workers", counts["acknowledged results"]),
        ("executions that repeated one, each explained", counts["repeated executions"]),
        ("tasks that failed because they had been lost four times, as the rule says", counts["tasks lost too often"]),
    ]
    if once := counts.get("tasks that are never begun twice"):
        found += [
            ("tasks that are never begun twice, each of which began once at most", once),
            ("of them given up, because their workers or runners died", counts["of them given up"]),
        ]
    lines = ["| what was done | |", "| --- | --: |", *(f"| {text} | {number:,} |" for text, number in done), ""]
    lines += ["| what was found | |", "| --- | --: |", *(f"| {text} | {number:,} |" for text, number in found), ""]
    machine = record["machine"]
    lines.append(
        f"{sum(record['kills'].values()):,} processes were killed in {record['runs']} runs, in "
        f"{record['seconds'] / 60:.0f} minutes on {record['date'][:10]}, packages as of "
        f"commit `{record['commit'][:12]}`, with the seed {record['seed']}: {machine['cpu']}, "
        f"{machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, {machine['file_system']}, "
        f"Python {machine['python']}."
    )
    return "\n".join(lines)


def page(text: str, database: str, record: dict[str, Any]) -> str:
    """The page with the record's table in its place."""
    before, _, rest = text.partition(BEGIN[database])
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN[database]}\n\n{table(record)}\n\n{END}{after}"


def write(database: str) -> None:
    """Put the table of a record into the page."""
    record = json.loads(LATEST[database].read_text(encoding="utf-8"))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), database, record), encoding="utf-8")


if __name__ == "__main__":
    for each in LATEST:
        write(each)
