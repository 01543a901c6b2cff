"""The command line of ``covalent-worker``, and the settings that come of it."""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path
from typing import Final

from covalent import config
from covalent.http import Network
from covalent.wire import places
from covalent.wire.pool_tokens import DEFAULT_POOL
from covalent.worker.credentials import VARIABLE, Credentials
from covalent.worker.settings import WorkerSettings

_EPILOG: Final = f"""\
The server starts the workers of its own machine by itself: after `covalent start`, nothing more is needed to run
tasks there. Start one by hand only to run tasks of another pool, under another account or on another machine: tasks
come to it with ct.executor.WorkerPoolExecutor("NAME"). It needs covalent-sdk alone, and asks the server for work: no
connection is made to it. Its tasks run in the interpreter that it is started with.

Its token is read from --token-file, else from {VARIABLE}; without either it asks for one of its own with what
`python -m covalent login` has kept. `covalent token create --pool NAME` makes one. Proxies are those of HTTPS_PROXY,
HTTP_PROXY and NO_PROXY. A server that is away is asked again, with growing pauses, for 10 minutes, and for a day while
tasks run or results wait to be sent.

The first SIGTERM or Ctrl-C lets it finish what runs and leave; the second ends it, and its tasks, at once.

`covalent-worker env --help` tells of the environments that tasks with deps_pip run in.
"""


def parser() -> argparse.ArgumentParser:
    """What may be written behind the command."""
    made = argparse.ArgumentParser(
        prog="covalent-worker",
        description="Run tasks for a Covalent server.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--server", metavar="URL", help="the server's address; by default where scripts look for it")
    made.add_argument("--pool", default=DEFAULT_POOL, metavar="NAME", help="the pool whose tasks to run (%(default)s)")
    made.add_argument("--slots", type=_count, default=os.cpu_count() or 1, metavar="N", help="tasks at once")
    made.add_argument("--dask", metavar="ADDRESS", help="run the tasks on the Dask cluster whose scheduler is there")
    made.add_argument("--token-file", type=Path, metavar="PATH", help=f"the worker's token (else {VARIABLE})")
    made.add_argument("--ca-file", type=Path, metavar="PATH", help="what vouches for the server's certificate, PEM")
    made.add_argument("--proxy", metavar="URL", help="the proxy to go through, where the environment names none")
    made.add_argument("--directory", type=Path, metavar="DIR", help="cache, spool and working directories")
    made.add_argument("--once", action="store_true", help="run one task, and leave")
    made.add_argument("--max-idle", type=_seconds, metavar="SECONDS", help="leave after so long without a task")
    made.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return made


def address(parsed: argparse.Namespace) -> str:
    """Where the server is."""
    return config.server_url(parsed.server)


def network(parsed: argparse.Namespace, url: str) -> Network:
    """How it is connected to."""
    given = parsed.ca_file.expanduser().absolute() if parsed.ca_file else None
    return Network(ca_file=given or config.ca_file(url), proxy=parsed.proxy)


def settings(parsed: argparse.Namespace, url: str, known: Credentials) -> WorkerSettings:
    """What the worker is told."""
    directory = parsed.directory or places.cache_dir(os.environ) / "worker"
    return WorkerSettings(
        server=url,
        pool=parsed.pool,
        slots=1 if parsed.once else parsed.slots,
        token=known.token,
        token_source=known.source,
        directory=directory.expanduser().resolve(),
        layers=places.layers_dir(os.environ).expanduser().resolve(),
        gpus=places.gpus_dir(os.environ).expanduser().resolve(),
        dask=parsed.dask,
        max_idle=parsed.max_idle,
        once=parsed.once,
        network=network(parsed, url),
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError("a number of seconds above 0")
    return number
