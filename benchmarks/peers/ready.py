"""How a peer's ``cluster.py`` talks to the bench: one line when it is ready, and the end of its stdin to stop."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

#: The environment variable with the directory for the peer's files.
STATE: Final = "BENCH_STATE"
#: Workers, each with one task at a time: as many as our server starts.
WORKERS: Final = os.cpu_count() or 1


def state() -> Path:
    """Where a peer keeps its files."""
    return Path(os.environ[STATE])


def tell_and_wait(pids: Sequence[int], **environ: str) -> None:
    """Name the processes that schedule, and what a script needs in its environment; return when it is time to stop."""
    print(json.dumps({"pids": list(pids), "environ": environ}), flush=True)
    sys.stdin.read()
