"""What the bench asks of a system that it measures: ours and the peer alike."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class System(Protocol):
    """A system that can be started, given scripts to run, and stopped."""

    name: str
    #: The interpreter that runs the scripts.
    client: Path
    #: The scripts, named alike in every system; one has none for what it does not do.
    workloads: Path
    #: What is imported.
    module: str
    #: A program that loads what every script of the system uses.
    use: str

    def start(self) -> None:
        """Start from nothing; returns when it would take work."""

    def stop(self) -> None:
        """Stop all that was started; harmless when nothing was."""

    @property
    def pid(self) -> int:
        """The process that schedules."""

    @property
    def environ(self) -> dict[str, str]:
        """With which a script finds it."""
