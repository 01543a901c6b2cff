"""What a worker is told, and the constants of its patience."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from covalent.http import Network

#: Kept of one stream of one task, in bytes; what comes after is cut.
STREAM_LIMIT: Final = 16 << 20
#: Sent of streams in one message, in bytes.
STREAM_MESSAGE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a worker waits for what, in seconds."""

    #: An idle poll asks the server to hold it back this long.
    idle_poll: float = 20.0
    #: One that listens for leases to be dropped, this long, and not sooner after the one before than that.
    listen: float = 20.0
    listen_pause: float = 0.5
    #: The first and the longest pause after a request that nobody answered.
    first_pause: float = 0.1
    longest_pause: float = 5.0
    #: Without a server and holding nothing, the worker leaves after this long …
    unreachable_idle: float = 600.0
    #: … and with tasks or results in hand after this long; its results stay in the spool.
    unreachable_busy: float = 86400.0
    #: A task is reported as started when it has run this long: tiny ones are over before.
    started: float = 0.1
    #: New output of running tasks is sent this often.
    streams: float = 1.0
    #: Tasks that were sent ahead to a runner are taken back when the one before them runs this long …
    stuck: float = 0.05
    #: … and leases that found no runner go back to the server when every runner is busy this long.
    hoarding: float = 0.25
    #: A completion waits this long for others while more tiny tasks are under way.
    gathering: float = 0.005
    #: An idle process keeps the GPUs that it has this long, and with them what it has loaded; other workers may wait.
    gpus: float = 2.0
    #: A runner has this long to start.
    start: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """One worker."""

    server: str
    pool: str
    slots: int
    token: str
    #: Where the token came from, for messages.
    token_source: str
    #: Holds the cache of assets, the spool, the projects and the runners' streams.
    directory: Path
    #: Holds the layers of packages, for all workers of the account.
    layers: Path
    #: Holds a lock for each GPU of the machine, for all workers of the account.
    gpus: Path
    #: The address of the Dask scheduler whose cluster runs the tasks; None for processes of this machine.
    dask: str | None = None
    #: Without a task for this many seconds the worker leaves; None means it stays.
    max_idle: float | None = None
    #: Whether it leaves when it has run one task.
    once: bool = False
    network: Network = field(default_factory=Network)
    patience: Patience = field(default_factory=Patience)
