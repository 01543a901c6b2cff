"""What the bench asks of a system that it measures: ours and the peers alike."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class System(Protocol):
    """A system that can be started, given scripts to run, and stopped."""

    name: str
    #: The interpreter that runs the scripts.
    client: Path
    #: What is imported.
    module: str
    #: A program that loads what every script of the system uses.
    use: str
    #: Whether it lives in the scripts' own processes: each of them starts it anew.
    in_process: bool
    #: Whether it is given fewer tasks, in order to come to an end.
    slow: bool

    def start(self) -> None:
        """Start from nothing; returns when it would take work."""

    def stop(self) -> None:
        """Stop all that was started; harmless when nothing was."""

    @property
    def pids(self) -> list[int]:
        """The processes that are there before there is work, without those that only run tasks."""

    @property
    def environ(self) -> dict[str, str]:
        """With which a script finds it."""

    def script(self, workload: str) -> list[str]:
        """What the interpreter is given to run a workload."""
