"""``covalent limit``: how many tasks run at a time, of those with a tag or of those of an executor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from covalent_server.cli import options, output
from covalent_server.cli.running import asked

Command = TypeVar("Command", bound=Callable[..., Any])

_HEAD: Final = ("LIMIT", "KIND", "SLOTS", "HELD")

_by_executor = click.option(
    "--executor", is_flag=True, help="NAME is an executor's short name, and the limit is for all tasks that run there."
)


@click.group()
def limit() -> None:
    """Say how many tasks run at a time, of those with a tag or of those of an executor."""


@limit.command("set")
@options.places
@click.argument("name")
@click.argument("slots", type=click.IntRange(min=0))
@_by_executor
@options.as_json
def put(*, name: str, slots: int, executor: bool, as_json: bool, **flags: Any) -> None:
    """Let at most SLOTS tasks with the tag NAME run at a time.

    What runs already goes on. With 0 no further one begins.
    """
    found = asked(flags, "POST", "limits", {"kind": _kind(executor=executor), "name": name, "slots": slots})
    _show(found, as_json=as_json)


@limit.command("list")
@options.places
@options.as_json
def listing(*, as_json: bool, **flags: Any) -> None:
    """Show limits: how many tasks each one lets run at a time, and how many have a worker now."""
    _show(asked(flags, "GET", "limits"), as_json=as_json)


@limit.command()
@options.places
@click.argument("name")
@_by_executor
@options.as_json
def remove(*, name: str, executor: bool, as_json: bool, **flags: Any) -> None:
    """Take a limit away; what waited for it goes on at once."""
    found = asked(flags, "POST", "limits/remove", {"kind": _kind(executor=executor), "name": name})
    _show(found, as_json=as_json)


def _kind(*, executor: bool) -> str:
    return "executor" if executor else "tag"


def _show(found: Mapping[str, Any], *, as_json: bool) -> None:
    rows = [(item["name"], item["kind"], str(item["slots"]), str(item["held"])) for item in found["limits"]]
    output.show(output.table([_HEAD, *rows]) if rows else "No limits", found, as_json=as_json)
