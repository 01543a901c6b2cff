"""A workflow that can be interrupted at a moment of the test's choosing: tasks keep a journal and wait at gates."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.books import Books, Journal
from tests.acceptance.programs import Program, Project

SCRIPT = """
import os
import time


def note(journal, word, index):
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{word} {index} {os.getpid()}\\n".encode())
    os.close(descriptor)


@ct.electron(**SQUARE)
def square(index, journal, gate, free):
    note(journal, "begin", index)
    while index >= free and not os.path.exists(gate):
        time.sleep(0.005)
    note(journal, "end", index)
    return index * index


@ct.electron
def total(squares):
    return sum(squares)


@ct.lattice
def workflow(count, journal, gate, free):
    return total([square(index, journal, gate, free) for index in range(count)])
"""


class FanOut:
    """One project's workflow: ``count`` tasks, of which all from number ``free`` on wait at the gate."""

    def __init__(self, project: Project, *, count: int, free: int, **square: object) -> None:
        """``square`` are the options of those tasks."""
        self._project = project
        self._gate = project.directory / "gate"
        self.journal = Journal(project.directory / "journal")
        self.books = Books(project.installation.data, project.installation.database_url)
        self.count = count
        self.free = free
        self.value = sum(index * index for index in range(count))
        project.workflow(f"SQUARE = {square!r}\n{SCRIPT}")

    def start(self) -> Program:
        return self._project.start(self.count, str(self.journal.path), str(self._gate), self.free)

    def open_gate(self) -> None:
        self._gate.touch()

    def waiting(self) -> set[int]:
        """The tasks that stand at the gate."""
        return {index for index in self.journal.begun() - self.journal.ended() if index >= self.free}

    def recorded(self, dispatch_id: str) -> set[int]:
        """The tasks whose completion is in the database."""
        return self.books.completed(dispatch_id)

    def states(self, dispatch_id: str) -> list[str]:
        """The states of all its nodes."""
        found = self.books.rows(
            "select state from node join dispatch on dispatch.key = node.dispatch where dispatch.id = ?", dispatch_id
        )
        return [row["state"] for row in found]

    def directory(self) -> Path:
        return self._project.directory
