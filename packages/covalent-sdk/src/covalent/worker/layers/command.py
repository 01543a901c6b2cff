"""``covalent-worker env``: which layers there are, what is in them, and how to be rid of those that nobody uses."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from covalent.errors import WorkerError
from covalent.wire import places
from covalent.worker.layers.store import Kept, Layers

_DAY: Final = 86400.0
#: Characters of a key that are shown in lists, and that are enough to name a layer by.
_SHORT: Final = 12
_EPILOG: Final = """\
A layer holds the packages that deps_pip names, over an interpreter that stays as it is. It is built when a task first
needs it and used as it was built: prune it to have newer versions of packages that are named without one.
"""


def main(arguments: Sequence[str]) -> int:
    """The command; returns the exit code."""
    given = _parser().parse_args(arguments)
    layers = Layers(given.directory or places.layers_dir(os.environ), os.environ)
    try:
        lines: list[str] = given.run(layers, given)
    except WorkerError as error:
        sys.stderr.write(f"covalent-worker: {error}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="covalent-worker env",
        description="See and remove the environments that tasks with deps_pip run in.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="all layers, the one used last first")
    listing.set_defaults(run=_list)
    showing = commands.add_parser("show", help="what one was built for, and what is in it")
    showing.add_argument("key", metavar="KEY", help="a layer's key, or how it begins")
    showing.set_defaults(run=_show)
    pruning = commands.add_parser("prune", help="remove layers that no worker uses")
    pruning.add_argument("keys", nargs="*", metavar="KEY", help="only these")
    pruning.add_argument(
        "--older-than", type=float, default=30.0, metavar="DAYS", help="not used for so long (default: 30)"
    )
    pruning.add_argument("--all", action="store_true", help="however long ago they were used")
    pruning.add_argument("--dry-run", action="store_true", help="tell what would be removed, and remove nothing")
    pruning.set_defaults(run=_prune)
    for command in (listing, showing, pruning):
        command.add_argument("--json", action="store_true", dest="as_json", help="as JSON")
        command.add_argument("--directory", type=Path, metavar="DIR", help="where the layers are")
    return parser


def _list(layers: Layers, given: argparse.Namespace) -> list[str]:
    found = _latest_first(layers)
    if given.as_json:
        return [json.dumps([_plain(kept) for kept in found], indent=1)]
    return [_line(kept) for kept in found] or ["there are no layers"]


def _show(layers: Layers, given: argparse.Namespace) -> list[str]:
    kept = _named(layers, given.key)
    if given.as_json:
        return [json.dumps(_plain(kept), indent=1)]
    return list(_told(kept))


def _prune(layers: Layers, given: argparse.Namespace) -> list[str]:
    if given.keys:
        chosen = [_named(layers, key) for key in given.keys]
    else:
        limit = time.time() if given.all else time.time() - given.older_than * _DAY
        chosen = [kept for kept in _latest_first(layers) if kept.used_at <= limit]
    removed = [kept for kept in chosen if not kept.in_use and (given.dry_run or layers.remove(kept.layer.key))]
    left = 0 if given.keys else layers.clear(dry_run=given.dry_run)
    if given.as_json:
        return [json.dumps([_plain(kept) for kept in removed], indent=1)]
    used = len(chosen) - len(removed)
    size = _size(sum(kept.size for kept in removed))
    lines = [_line(kept) for kept in removed]
    did = "would remove" if given.dry_run else "removed"
    lines.append(f"{did} {len(removed)} of them, {size}")
    if left:
        lines.append(f"{did} what interrupted builds have left, {_size(left)}")
    return lines + ([f"{used} in use by a worker: left alone"] if used else [])


def _latest_first(layers: Layers) -> list[Kept]:
    return sorted(layers.kept(), key=lambda kept: kept.used_at, reverse=True)


def _named(layers: Layers, key: str) -> Kept:
    found = [kept for kept in layers.kept() if kept.layer.key.startswith(key)]
    if len(found) != 1:
        what = f"{len(found)} layers have a key that begins" if found else "no layer has a key that begins"
        raise WorkerError(f"{what} with {key!r}; see `covalent-worker env list`")
    return found[0]


def _line(kept: Kept) -> str:
    packages = " ".join(kept.layer.requirements)
    used = "in use" if kept.in_use else f"used {_ago(time.time() - kept.used_at)} ago"
    return f"{kept.layer.key[:_SHORT]}  {_size(kept.size):>8}  {used:<16}  {packages}  over {kept.layer.parent}"


def _told(kept: Kept) -> Iterator[str]:
    layer = kept.layer
    yield f"key      {layer.key}"
    yield f"python   {layer.python}"
    yield f"over     {layer.parent}"
    yield f"for      {' '.join(layer.requirements)}"
    yield f"built    {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(layer.built_at))}, in {layer.seconds:.1f} s"
    yield f"used     {'by a worker, now' if kept.in_use else f'{_ago(time.time() - kept.used_at)} ago'}"
    yield f"size     {_size(kept.size)}"
    if layer.warning:
        yield f"note     {layer.warning}"
    for number, package in enumerate(layer.resolved or ("nothing: all of it is there already",)):
        yield f"{'' if number else 'holds':<9}{package}"


def _plain(kept: Kept) -> dict[str, Any]:
    return asdict(kept.layer) | {"size": kept.size, "used_at": kept.used_at, "in_use": kept.in_use}


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


def _ago(seconds: float) -> str:
    for unit, length in (("days", _DAY), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
