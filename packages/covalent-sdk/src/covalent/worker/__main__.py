"""``covalent-worker``, also ``python -m covalent.worker``: runs tasks for a server until it is told to leave."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from covalent.errors import CovalentError, WorkerError
from covalent.wire import places
from covalent.worker.settings import WorkerSettings

_EPILOG = """\
The server starts the workers of its own machine by itself: after `covalent start`, nothing more is needed to run
tasks there. Start one by hand only to run tasks of another pool, under another account or on another machine. It has
to reach the server at its URL, and it needs a worker's token of that server. Its tasks run in the executor's
interpreter, else in the one that it is started with.

`covalent-worker --provision NAME` starts workers by itself, where executors NAME run tasks; with --help it says more.
`covalent-worker env --help` tells of the environments that tasks with deps_pip run in.
"""
_TOKEN_VARIABLE = "COVALENT_WORKER_TOKEN"  # noqa: S105 - the variable's name


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["env"]:
        from covalent.worker.layers import command  # noqa: PLC0415 - as below

        return command.main(given[1:])
    if "--provision" in given:
        from covalent.provisioning import command as provisioning  # noqa: PLC0415 - as below

        given.remove("--provision")  # its name is what follows, or stands alone
        return provisioning.main(given)
    parsed = _parser().parse_args(given)
    logging.basicConfig(
        level=parsed.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    reason = unsupported(sys.platform)
    if reason is not None:
        sys.stderr.write(f"covalent-worker: {reason}\n")
        return 1
    from covalent.worker.supervisor import Supervisor  # noqa: PLC0415  it cannot be imported elsewhere than on Linux

    try:
        return Supervisor(_settings(parsed), dict(os.environ)).run()
    except (CovalentError, OSError) as error:
        sys.stderr.write(f"covalent-worker: {error}\n")
        return 1


def unsupported(platform: str) -> str | None:
    """Why no worker can run on a platform, None where one can."""
    if platform == "linux":
        return None
    return f"workers need Linux for now, this is {platform}; start the worker on a Linux machine, in WSL or a container"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="covalent-worker",
        description="Run tasks for a Covalent server.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--server", required=True, metavar="URL", help="the server's address")
    parser.add_argument("--pool", default="default", metavar="NAME", help="the pool whose tasks to run")
    parser.add_argument("--slots", type=_positive, default=os.cpu_count() or 1, metavar="N", help="tasks at once")
    parser.add_argument("--token-file", type=Path, metavar="PATH", help=f"the worker's token (else {_TOKEN_VARIABLE})")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="cache, spool and working directories")
    parser.add_argument("--max-idle", type=float, metavar="SECONDS", help="leave after so long without a task")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return parser


def _settings(parsed: argparse.Namespace) -> WorkerSettings:
    if parsed.token_file is None:
        token, source = os.environ.get(_TOKEN_VARIABLE, ""), _TOKEN_VARIABLE
    else:
        source = str(parsed.token_file)
        token = parsed.token_file.read_text(encoding="ascii").strip()
    if not token:
        raise WorkerError(f"there is no token in {source}; give one with --token-file PATH or in {_TOKEN_VARIABLE}")
    directory = parsed.directory or places.cache_dir(os.environ) / "worker"
    return WorkerSettings(
        server=parsed.server,
        pool=parsed.pool,
        slots=parsed.slots,
        token=token,
        token_source=source,
        directory=directory.expanduser().resolve(),
        layers=places.layers_dir(os.environ).expanduser().resolve(),
        gpus=places.gpus_dir(os.environ).expanduser().resolve(),
        max_idle=parsed.max_idle,
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
