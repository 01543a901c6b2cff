"""``covalent worker``: who runs tasks, and why nobody does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from covalent_server.cli import options, output
from covalent_server.cli.running import asked

_HEAD: Final = ("POOL", "EXECUTOR", "WAITING", "WORKER", "STATE", "WHERE", "SINCE")
#: Shown of what stands in a cell, in characters.
_CELL: Final = 40


@click.group()
def worker() -> None:
    """Show the workers of this server, wherever they run."""


@worker.command("list")
@options.places
@options.as_json
def listing(*, as_json: bool, **flags: Any) -> None:
    """Show pools in which tasks wait or run: their workers, those that are being started, and why a start failed."""
    found = asked(flags, "GET", "pools")
    rows = [row for pool in found["pools"] for row in _rows(pool)]
    text = [output.table([_HEAD, *rows]) if rows else "No tasks wait, and no workers are there"]
    for pool in found["pools"]:
        name = f"pool {pool['pool']}: executor {_line(pool['executor'])}"
        text.append(f"{name}{' with ' + _line(pool['place'], None) if pool['place'] else ''}")
        if pool.get("error"):
            text.append(f"  the latest start failed at {_at(pool.get('error_at'))}: {_line(pool['error'], None)}")
    output.show("\n".join(text), found, as_json=as_json)


def _rows(pool: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    head = (pool["pool"], _line(pool["executor"]), str(pool["waiting"]))
    jobs = {job["worker"]: job for job in pool["jobs"] if job.get("worker")}
    for item in pool["workers"]:
        state = f"runs {item['tasks']}" if item["tasks"] else "idle"
        if item.get("silent_since") is not None:
            state = f"silent since {_at(item['silent_since'])}"
        job = jobs.get(item["worker"])
        where = f"{item['host']} {item['pid']}" if job is None else f"{item['host']} {job['place']}"
        yield (*head, item["worker"][:8], state, _line(where), _at(item["started_at"]))
    coming = [job for job in pool["jobs"] if not job.get("worker")]
    for job in coming:
        yield (*head, job["job"][:8], job["state"], _line(f"{job['host']} {job['place']}"), _at(job["since"]))
    if not pool["workers"] and not coming:
        yield (*head, "-", "no worker", ", ".join(map(_line, pool["provisioners"])) or "-", "-")


def _line(text: str, most: int | None = _CELL) -> str:
    """Other people's text on one line, with nothing in it that a terminal would obey."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text.strip())
    return shown if most is None or len(shown) <= most else f"{shown[: most - 1]}…"


def _at(moment: float | None) -> str:
    return "-" if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
