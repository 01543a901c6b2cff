"""``covalent trigger``: what starts workflows by itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import click

from covalent_server.cli import options, output
from covalent_server.cli.running import asked

_HEAD: Final = ("TRIGGER", "WORKFLOW", "STARTS", "FIRINGS", "NEXT")


@click.group()
def trigger() -> None:
    """Show and stop what starts workflows by itself."""


@trigger.command("list")
@options.places
@click.option("--all", "everything", is_flag=True, help="Show those that were stopped, too.")
@options.as_json
def show(*, everything: bool, as_json: bool, **flags: Any) -> None:
    """Show triggers: when they start what, how often they have, and what went wrong."""
    found = asked(flags, "GET", f"triggers?stopped={int(everything)}")
    text = output.table([_HEAD, *(_row(item) for item in found["triggers"])]) if found["triggers"] else "No triggers"
    errors = [f"{item['trigger_id']}: {_last_line(item['error'])}" for item in found["triggers"] if item.get("error")]
    output.show("\n".join([text, *errors]), found, as_json=as_json)


@trigger.command()
@options.places
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@options.as_json
def stop(*, ids: tuple[str, ...], as_json: bool, **flags: Any) -> None:
    """Let triggers fire no more, named by their ids or by those of their dispatches.

    What they have started goes on.
    """
    found = asked(flags, "POST", "triggers/stop", {"ids": ids})
    text = "\n".join(f"Stopped {item['trigger_id']} of {item['name']}" for item in found["triggers"])
    output.show(text, found, as_json=as_json)


def _row(item: Mapping[str, Any]) -> tuple[str, ...]:
    return item["trigger_id"], item["name"], _terms(item["trigger"]), str(item["firings"]), _next(item)


def _terms(terms: Mapping[str, Any]) -> str:
    """When it fires, in a few words."""
    match terms:
        case {"clock": {"gap": gap}}:
            return f"every {gap:g} s"
        case {"timetable": {"expression": expression, "timezone": zone}}:
            return f"{expression} {zone}"
        case {"directory": {"path": path, "changes": changes}}:
            return f"{', '.join(changes)} in {path}"
        case _:
            return "see --json"


def _next(item: Mapping[str, Any]) -> str:
    if item.get("stopped_at") is not None:
        return "stopped"
    if item["trigger"].get("directory"):
        return "failing" if item.get("error") else "watching"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(item["due_at"]))


def _last_line(text: str) -> str:
    """What an error comes to; above it is how it came about."""
    return text.strip().splitlines()[-1]
