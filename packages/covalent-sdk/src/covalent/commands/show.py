"""``python -m covalent show``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from covalent.client.listing import MOST, records
from covalent.client.waiting import ask
from covalent.commands import exits, output
from covalent.connection import connect
from covalent.http import Server, persistently
from covalent.result import Result, ServerSource
from covalent.status import Status
from covalent.wire.codec import to_json
from covalent.wire.records import DispatchRecord, NodeRecord


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("dispatch", nargs="?", metavar="DISPATCH", help="one dispatch, with its tasks")
    parser.add_argument("--name", help="only dispatches of this name")
    parser.add_argument("--tag", help="only dispatches with this tag")
    parser.add_argument("--status", type=_status, metavar="STATUS", help="only dispatches of this status")
    parser.add_argument("--limit", type=_limit, default=20, metavar="N", help="at most so many (20)")


def run(given: argparse.Namespace) -> int:
    """Show the newest dispatches, or one with its tasks."""
    server = connect(given.server)
    if given.dispatch is None:
        found = records(server, name=given.name, tag=given.tag, status=given.status, limit=given.limit)
        output.show(_listed(found), {"dispatches": to_json(found)}, as_json=given.as_json)
        return exits.OK
    record = persistently(lambda: ask(server, given.dispatch)).record
    nodes = ServerSource(server).nodes(given.dispatch)
    plain = {"dispatch": to_json(record), "nodes": to_json(nodes)}
    output.show(_told(record, nodes, server), plain, as_json=given.as_json)
    return exits.OK


def _listed(found: Sequence[DispatchRecord]) -> str:
    if not found:
        return "there are no such dispatches"
    rows = [("dispatch", "name", "status", "made", "tasks")]
    for record in found:
        tasks = ", ".join(f"{count} {status}" for status, count in sorted(record.node_counts.items()))
        rows.append((record.dispatch_id, record.name, record.status, output.moment(record.created_at), tasks))
    return output.table(rows)


def _told(record: DispatchRecord, nodes: Sequence[NodeRecord], server: Server) -> str:
    rows = [("task", "name", "status", "seconds", "output")]
    for node in nodes:
        ended = node.started_at is not None and node.ended_at is not None
        seconds = f"{node.ended_at - node.started_at:.1f}" if ended else ""  # type: ignore[operator]  # as just asked
        rows.append((str(node.node_id), node.node_name, node.status, seconds, _came_of(node)))
    return "\n\n".join([str(Result(record, ServerSource(server))), *([output.table(rows)] if nodes else [])])


def _came_of(node: NodeRecord) -> str:
    if node.error is not None:
        return node.error.rstrip().rpartition("\n")[2]
    if node.output is not None:
        return node.output.object_string
    if node.preparing_since is not None:
        return f"environment being built since {output.moment(node.preparing_since)}"
    return f"dispatch {node.child}" if node.child is not None else ""


def _status(given: str) -> str:
    if given.upper() not in list(Status):
        raise argparse.ArgumentTypeError(f"{given!r} is no status; there are: {', '.join(Status)}")
    return given.upper()


def _limit(given: str) -> int:
    if not (given.isascii() and given.isdigit() and 1 <= int(given) <= MOST):
        raise argparse.ArgumentTypeError(f"{given!r} is not a number from 1 to {MOST}")
    return int(given)
