"""``python -m covalent cancel``."""

from __future__ import annotations

import argparse

from covalent.client.cancelling import cancel
from covalent.commands import exits, output


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("dispatch", metavar="DISPATCH", help="the dispatch's id")
    # With a default argparse does not count it among what was forgotten.
    parser.add_argument(
        "nodes", nargs="*", type=task_number, default=[], metavar="TASK", help="numbers of tasks; without, all of it"
    )


def run(given: argparse.Namespace) -> int:
    """Cancel a dispatch, or tasks of it by their numbers."""
    told = cancel(given.dispatch, given.nodes or None, given.server)
    output.show(told, {"dispatch_id": given.dispatch, "nodes": given.nodes, "message": told}, as_json=given.as_json)
    return exits.OK


def task_number(given: str) -> int:
    """A task's number as it is written on the command line."""
    if not (given.isascii() and given.isdigit()):
        raise argparse.ArgumentTypeError(f"{given!r} is no number of a task; `show DISPATCH` lists them")
    return int(given)
