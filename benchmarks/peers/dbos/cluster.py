"""DBOS in a process that does nothing else: how long its start takes, and what it keeps while idle."""

from __future__ import annotations

import os

from dbos import DBOS, DBOSConfig

from benchmarks.peers.ready import state, tell_and_wait


def config(database: str) -> DBOSConfig:
    """SQLite, which is its default, in a file of ours; the rest is as DBOS has it."""
    return {"name": "bench", "system_database_url": f"sqlite:///{state() / database}"}


def main() -> None:
    """Start, tell, wait."""
    DBOS(config=config("idle.sqlite"))
    DBOS.launch()
    tell_and_wait([os.getpid()])
    DBOS.destroy()


if __name__ == "__main__":
    main()
