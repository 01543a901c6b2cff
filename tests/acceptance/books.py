"""What the server wrote down and what the tasks did, read and compared without a line of the server's code.

The *books* are the server's database, opened read-only. The *journal* is a file to which tasks append a line when
they begin and when they end; a line is one ``write`` of a file opened with ``O_APPEND``, so it is there or not.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg


@dataclass(frozen=True, slots=True)
class Journal:
    """The lines of tasks, each ``begin <index> <process>`` or ``end <index> <process>``."""

    path: Path

    def begun(self) -> Counter[int]:
        """How often each task has begun."""
        return Counter(index for word, index, _ in self._lines() if word == "begin")

    def ended(self) -> Counter[int]:
        """How often each task has ended."""
        return Counter(index for word, index, _ in self._lines() if word == "end")

    def processes(self) -> dict[int, int]:
        """The process in which each task began last."""
        return {index: process for word, index, process in self._lines() if word == "begin"}

    def _lines(self) -> list[tuple[str, int, int]]:
        if not self.path.exists():
            return []
        lines = [line.split() for line in self.path.read_text().splitlines()]
        return [(word, int(index), int(process)) for word, index, process in lines]


@dataclass(frozen=True, slots=True)
class Books:
    """The server's database."""

    data_dir: Path
    #: PostgreSQL's, as the server is told it; empty for the file in the data directory.
    url: str = ""

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """What a query finds: rows whose columns go by number and by name."""
        if self.url:
            address = self.url.replace("+psycopg", "", 1)
            with psycopg.connect(address, row_factory=_by_name, connect_timeout=30) as server:
                server.read_only = True
                return server.execute(statement.replace("?", "%s"), values).fetchall()
        path = f"file:{self.data_dir / 'covalent.db'}?mode=ro"
        with contextlib.closing(sqlite3.connect(path, uri=True, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(statement, values).fetchall()

    def completed(self, dispatch_id: str) -> set[int]:
        """The tasks recorded as completed, each by its first argument."""
        found = self.rows(
            "select node.record from node join dispatch on dispatch.key = node.dispatch "
            "where dispatch.id = ? and node.state = 'COMPLETED'",
            dispatch_id,
        )
        return {index for row in found if (index := _index(row["record"])) is not None}

    def workers(self) -> list[int]:
        """The process ids of the workers that have introduced themselves and not gone."""
        return [row["pid"] for row in self.rows("select pid from worker where ended_at is null")]

    def losses(self, dispatch_id: str) -> int:
        """How often a dispatch's tasks were counted as lost."""
        total = "select sum(losses) from node join dispatch on dispatch.key = node.dispatch where dispatch.id = ?"
        return int(self.rows(total, dispatch_id)[0][0])

    def faults(self, dispatch_id: str, journal: Journal) -> list[str]:
        """Everything about a dispatch that ended well, and its tasks, that does not add up."""
        found = [] if self.url else self.damages_of_the_file()
        (dispatch,) = self.rows("select * from dispatch where id = ?", dispatch_id)
        if (dispatch["status"], dispatch["unfinished"], dispatch["failed"]) != ("COMPLETED", 0, 0):
            found.append(f"the dispatch: {tuple(dispatch)}")
        begun = journal.begun()
        for node in self.rows("select * from node where dispatch = ?", dispatch["key"]):
            found += [f"node {node['number']}: {fault}" for fault in self._node_faults(node, begun)]
        return found

    def damages_of_the_file(self) -> list[str]:
        """What PostgreSQL sees to by itself."""
        found = [f"sqlite: {row[0]}" for row in self.rows("pragma integrity_check") if row[0] != "ok"]
        return found + [f"a dangling reference: {tuple(row)}" for row in self.rows("pragma foreign_key_check")]

    def _node_faults(self, node: Any, begun: Counter[int]) -> list[str]:
        found = []
        if node["state"] != "COMPLETED" or node["remaining"]:
            found.append(f"is {node['state']} and waits for {node['remaining']}")
        events = self.rows("select kind, attempt from event where node = ? order by sequence", node["key"])
        kinds = [row["kind"] for row in events]
        if kinds.count("node.completed") != 1 or kinds[-1] != "node.completed":
            found.append(f"did not complete once and for all: {kinds}")
        leased = [row["attempt"] for row in events if row["kind"] == "node.leased"]
        if leased != list(range(1, len(leased) + 1)):
            found.append(f"was leased with the attempts {leased}")
        index = _index(node["record"])
        if index is not None and not 1 <= begun[index] <= len(leased):
            found.append(f"began {begun[index]} times with {len(leased)} leases")
        output = self.rows("select digest, data from asset where digest = ?", node["output"])
        if len(output) != 1 or not is_stored(self.data_dir, output[0]):
            found.append(f"its output {node['output']} is not stored")
        return found


class _Row(dict[str, Any]):
    """A row of PostgreSQL's that is asked as one of SQLite's, which gives its values when it is iterated."""

    def __getitem__(self, key: Any) -> Any:
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values())


def _by_name(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], _Row]:
    names = [column.name for column in cursor.description or ()]
    return lambda values: _Row(zip(names, values, strict=True))


def _index(record: str) -> int | None:
    """The task's first argument when that is a whole number."""
    match json.loads(record)["args"]:
        case [{"value": int() as index}, *_]:
            return index
    return None


def is_stored(data_dir: Path, asset: Any) -> bool:
    """Whether the bytes of an asset's row are there, and those that its digest names."""
    digest = asset["digest"]
    data = asset["data"]
    if data is None:
        path = data_dir / "assets" / digest[:2] / digest[2:]
        data = path.read_bytes() if path.exists() else b""
    return bool(hashlib.sha256(data).hexdigest() == digest)
