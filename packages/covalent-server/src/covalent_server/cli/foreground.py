"""The server itself: what happens between the command line and the first answered request.

The order matters. The lock comes first, so that nobody else touches the directory. The database is migrated by a child
process, because the serving process never loads alembic; meanwhile the web framework is imported here. Then requests
are answered, and only then is the server announced: in ``server.json``, and to the command that waits for it.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from covalent.wire.records import ServerInfo
from covalent_server import guard, reach
from covalent_server.cli import directory, exits, lock, log_lines, options, output, processes, record, tokens
from covalent_server.cli.listening import check_port, port_error
from covalent_server.cli.readiness import Reporter
from covalent_server.errors import AlreadyRunningError, CovalentServerError, GuardError, MigrationError, NewerDataError
from covalent_server.settings import WORKER_UMASK, Origin, Settings, shown_url

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a server was asked to start."""

    flags: options.Flags
    settings: Settings
    allow_late_guard: bool
    #: Whom to tell in words once requests are answered.
    tell: Callable[[record.ServerRecord], None]


def run(start: Start, reporter: Reporter) -> None:
    """Serve until asked to stop; raises a :class:`CovalentServerError` when the server cannot start."""
    try:
        _run(start, reporter)
    except CovalentServerError as error:
        reporter.failed(error)
        raise


def _run(start: Start, reporter: Reporter) -> None:
    settings = start.settings
    # Nothing that the server makes is for other accounts; what tasks make is theirs to decide.
    os.environ[WORKER_UMASK] = f"{os.umask(0o077):03o}"
    log_lines.write_to_stderr(settings.log_level, settings.log_format)
    if guard.status() != "armed" and not start.allow_late_guard:
        raise GuardError(
            "something loaded pickle before the guard was armed (a coverage tool, a sitecustomize, a .pth file?); "
            "start without it, or accept a weaker guard with --allow-late-guard"
        )
    place = directory.prepare(settings.data_dir, allow_network=settings.allow_network_filesystem)
    with lock.hold(place.lock):
        place.record.unlink(missing_ok=True)
        check_port(settings)
        reach.of(settings, settings.port)
        _migrate(settings)
        try:
            asyncio.run(_serve(start, place, reporter))
        except (OSError, ExceptionGroup) as error:
            raise _reason(error, settings) from error
        finally:
            place.record.unlink(missing_ok=True)
    logger.info("stopped")


def _reason(error: Exception, settings: Settings) -> Exception:
    """What went wrong, out of the groups in which the server's tasks wrapped it."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return port_error(error, settings) if isinstance(error, OSError) else error


def _migrate(settings: Settings) -> None:
    """Bring the database to this version's form if it is not there, in a child process."""
    # They load SQLAlchemy: not before lock and port are ours.
    from covalent_server.db import fitness, revision  # noqa: PLC0415

    state = revision.state(settings.database_url)
    if state == "newer":
        raise NewerDataError(
            f"a newer version of Covalent wrote {shown_url(settings.database_url)}; upgrade with: "
            "pip install -U covalent-server, or choose another directory with --data-dir"
        )
    if state == "current":
        return
    if revision.file_of(settings.database_url) is None:
        fitness.check(settings.database_url)
    logger.info("migrating the database", extra={"state": state})
    # -P: a directory that the server happens to be started in must not lend it modules
    command = [sys.executable, "-P", "-m", "covalent_server", "migrate"]
    environment = os.environ | child_environment(settings)
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=subprocess.PIPE, text=True
    ) as child:
        _import_the_server()
        _, said = child.communicate()
    if child.returncode != 0:
        logger.error("migration failed", extra={"said": said})
        last = said.strip().rpartition("\n")[2]
        if child.returncode == exits.code_of(AlreadyRunningError()):
            raise AlreadyRunningError(last.removeprefix(output.ERROR_PREFIX))
        raise MigrationError(f"the database could not be migrated: {last}; it was left as it was")


def child_environment(settings: Settings) -> Mapping[str, str]:
    """What tells a child process of this server where everything is."""
    return {
        "COVALENT_CONFIG_DIR": str(settings.config_dir),
        "COVALENT_DATA_DIR": str(settings.data_dir),
        "COVALENT_DATABASE_URL": settings.database_url,
    }


def _import_the_server() -> None:
    """Import what serving needs, while the child migrates."""
    import covalent_server.web.serve  # noqa: F401, PLC0415  (its cost is paid here on purpose)


async def _serve(start: Start, place: directory.DataDirectory, reporter: Reporter) -> None:
    from covalent_server.web.serve import serve  # noqa: PLC0415  (loads the web framework)

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop_on(number: signal.Signals) -> None:
        logger.info("stopping", extra={"signal": number.name})
        stop.set()
        loop.remove_signal_handler(number)  # the second one ends the process as it would any other

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, functools.partial(stop_on, number))

    def announce(info: ServerInfo) -> None:
        known = _record_of(info, start)
        record.write(place.record, known)
        logger.info("ready", extra={"url": info.url, "pid": info.pid, "guard": info.guard, "instance": info.instance})
        start.tell(known)
        reporter.ready()

    token_for = functools.partial(tokens.ensure_token, start.settings.config_dir)
    await serve(start.settings, token_for=token_for, announce=announce, stop=stop)


def _record_of(info: ServerInfo, start: Start) -> record.ServerRecord:
    sources = start.settings.sources.values()
    variables = [source.name for source in sources if source.origin is Origin.ENVIRONMENT]
    return record.ServerRecord(
        pid=info.pid,
        process_started=processes.this().started,
        url=info.url,
        instance=info.instance,
        guard=info.guard,
        version=info.version,
        started_at=info.started_at,
        flags={name: _remembered(name, str(value)) for name, value in start.flags.items() if value is not None},
        environment={name: _remembered(name, os.environ[name]) for name in variables},
        public_url=info.public_url if start.settings.exposed else "",
        certificate=info.certificate,
    )


def _remembered(name: str, value: str) -> str:
    """What is written down of a setting: no password."""
    return shown_url(value) if name.lower().endswith("database_url") else value
