"""``covalent purge``: dispatches that nobody needs any more, with all that they hold."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, Final

import click

from covalent.status import Status
from covalent_server.cli import exits, options, output
from covalent_server.cli.running import asked
from covalent_server.errors import RefusedError

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
#: For how long one answer is held back, and how much later it is missed, in seconds.
_WAIT: Final = 30
_PATIENCE: Final = 60.0
_FAILING: Final = (
    "The server could not delete all of it: covalent logs says why. It tries again once a minute, whether this command "
    "waits or not."
)


class Age(click.ParamType[float]):
    """A time such as 30d."""

    name = "AGE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no age; write a number and one of {', '.join(_SECONDS)}, such as 30d", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


@click.command()
@options.places
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--older-than", type=Age(), metavar="AGE", help="Those that ended so long ago: 12h, 30d, 8w.")
@click.option(
    "--status",
    type=click.Choice([status for status in Status if status.terminal], case_sensitive=False),
    help="Those that ended so.",
)
@click.option("--tag", metavar="TAG", help="Those with this tag.")
@click.option("--dry-run", is_flag=True, help="Tell what would be deleted, and delete nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.as_json
def purge(
    *,
    ids: tuple[str, ...],
    older_than: float | None,
    status: str | None,
    tag: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Delete dispatches that have ended, with their sublattices and all that they hold, for good.

    They are named by their ids, or by what they have in common: of several options all must hold.
    """
    filters = {"older_than": older_than, "status": status, "tag": tag}
    given = {name: value for name, value in filters.items() if value is not None}
    if bool(ids) == bool(given):
        raise click.UsageError(
            "say which dispatches: their ids, or else --older-than, --status or --tag; --dry-run shows which these are"
        )
    wanted = {"ids": ids} if ids else given
    if not (dry_run or yes):
        _confirm(flags, wanted, as_json=as_json)
    found = _would(flags, wanted) if dry_run else _purged(flags, wanted)
    output.show("\n".join(_told(found, dry_run=dry_run)), found | {"dry_run": dry_run}, as_json=as_json)
    if ids and found["kept"]:
        raise click.exceptions.Exit(exits.code_of(RefusedError()))


def _confirm(flags: options.Flags, wanted: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json or not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: add --yes to delete, or --dry-run to see what would be")
    found = _would(flags, wanted)
    click.echo("\n".join(_told(found, dry_run=True)))
    if not found["dispatches"]:
        raise click.exceptions.Exit(0)
    click.confirm("Delete this for good?", abort=True)


def _would(flags: options.Flags, wanted: Mapping[str, Any]) -> dict[str, Any]:
    answer = asked(flags, "POST", "dispatches/purge", {**wanted, "dry_run": True}, seconds=_PATIENCE)
    return {name: answer.get(name) for name in ("dispatches", "nodes", "assets", "bytes", "kept")}


def _purged(flags: options.Flags, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What was deleted, once nothing of it is left."""
    found: dict[str, Any] = {"dispatches": 0, "nodes": 0}
    before = _progress(flags, 0)
    more = True
    while more:
        answer = asked(flags, "POST", "dispatches/purge", wanted, seconds=_PATIENCE)
        found = {name: found[name] + answer[name] for name in ("dispatches", "nodes")} | {"kept": answer["kept"]}
        more = answer["more"]
    after = _gone(flags)
    # A server that was restarted meanwhile counts anew.
    return found | {name: max(0, after[name] - before[name]) for name in ("assets", "bytes")}


def _gone(flags: options.Flags) -> Any:
    """How it stands once nothing is left; says so, once, when the server fails to remove something."""
    wait, told = 0, False
    while not (found := _progress(flags, wait))["done"]:
        if found["failures"] and not told:
            click.echo(_FAILING, err=True)
            told = True
        wait = _WAIT
    return found


def _progress(flags: options.Flags, wait: int) -> Any:
    return asked(flags, "GET", f"dispatches/purge?wait={wait}", seconds=wait + _PATIENCE)


def _told(found: Mapping[str, Any], *, dry_run: bool) -> list[str]:
    verb = "Would delete" if dry_run else "Deleted"
    what = f"{_number(found['dispatches'], 'dispatch', 'es')} with {_number(found['nodes'], 'task')}"
    if found["assets"]:
        most = "at most " if dry_run else ""
        what += f", and {most}{_number(found['assets'], 'asset')} of {found['bytes'] / 1e6:,.3f} MB"
    return [f"{verb} {what}", *(f"Kept: {item['reason']}" for item in found["kept"])]


def _number(count: int, noun: str, plural: str = "s") -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}{plural}"
