"""``python -m covalent why``."""

from __future__ import annotations

import argparse

from covalent.client.waiting import get_result
from covalent.commands import exits, output
from covalent.commands.cancel import task_number
from covalent.wire.codec import to_json


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("dispatch", metavar="DISPATCH", help="the dispatch's id")
    parser.add_argument("node", nargs="?", type=task_number, metavar="TASK", help="a task's number; without, all")


def run(given: argparse.Namespace) -> int:
    """Say why tasks that have not ended are not running, and what to do about it."""
    found = get_result(given.dispatch, wait=False, dispatcher_addr=given.server, intermediate_outputs=False).why(
        given.node
    )
    text = "\n".join(map(str, found)) or "every task has ended"
    output.show(text, {"dispatch_id": given.dispatch, "nodes": to_json(found)}, as_json=given.as_json)
    return exits.OK
