"""The server's command, driven from Python where it is installed.

It runs as a program of its own, in this interpreter: the server disarms pickle in its process, and must never be
imported into a user's.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import warnings
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from covalent import config
from covalent.errors import ServerCommandError
from covalent.http import Network, Server

#: The command's exit code when a server is running already.
_ALREADY_RUNNING: Final = 4
#: What earlier Covalents could be told when they were started.
_OLD: Final = frozenset(
    {
        "develop",
        "ignore_migrations",
        "mem_per_worker",
        "no_cluster",
        "no_triggers",
        "threads_per_worker",
        "triggers_only",
    }
)


def check_installed() -> None:
    """Raise ServerCommandError, saying what to do, unless the server can be started in this environment."""
    if importlib.util.find_spec("covalent_server") is None:
        raise ServerCommandError(
            f"the server is not installed in this environment; install it: {sys.executable} -m pip install "
            "covalent-server. To use a server elsewhere, set COVALENT_SERVER_URL"
        )


def run(*arguments: str, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the command tells when it is run with these arguments; raises ServerCommandError when it fails."""
    check_installed()
    # -P: a directory that this happens to run in must not lend the command modules.
    done = _ended([sys.executable, "-P", "-m", "covalent_server", *arguments, "--json"], environ)
    told = _told(done.stdout)
    if done.returncode or told is None:
        said = (told or {}).get("error", {}).get("message") or done.stderr.strip() or "it said nothing"
        shown = " ".join(["covalent", *arguments])
        raise ServerCommandError(f"{shown} ended with {done.returncode}: {said}", exit_code=done.returncode)
    return told


def _ended(command: list[str], environ: Mapping[str, str] | None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, also when that is interrupted: half a start could not be stopped."""
    with subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # the terminal's Ctrl-C is for this process alone
    ) as process:
        try:
            out, err = process.communicate()
        except KeyboardInterrupt:
            process.communicate()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _told(text: str) -> dict[str, Any] | None:
    try:
        told = json.loads(text)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def covalent_start(
    port: int | str | None = None, *, workers: int | None = None, quiet: bool = False, **old: object
) -> None:
    """Start a server on this machine with the command ``covalent start``, unless one is running already.

    A ``port`` that is given is kept as ``server.port`` in the settings, where scripts and later starts find it;
    ``workers`` is how many tasks run at once in each interpreter. What else earlier versions took has no effect.
    Raises ServerCommandError when ``covalent-server`` is not installed here, or the server cannot start.
    """
    for name in old:
        if name not in _OLD:
            raise TypeError(f"ct.covalent_start() got an unexpected keyword argument {name!r}")
        warnings.warn(
            f"{name} has no effect any more; `covalent start --help` lists what has",
            stacklevel=2,
            category=DeprecationWarning,
        )
    given = {"--port": port, "--local-slots": workers}
    flags = [word for flag, value in given.items() if value is not None for word in (flag, str(value))]
    try:
        told = run("start", *flags)
    except ServerCommandError as error:
        if error.exit_code != _ALREADY_RUNNING:
            raise
        _say(str(error), quiet=quiet)
        return
    if port is not None:
        config.set_config("server.port", urlsplit(told["url"]).port)
    _say(f"Covalent is running at {told['url']} (pid {told['pid']})", quiet=quiet)


def covalent_stop(*, quiet: bool = False) -> None:
    """Stop the server of this account with the command ``covalent stop``; without one nothing happens.

    Raises ServerCommandError when ``covalent-server`` is not installed here, or the server does not end.
    """
    told = run("stop")
    _say("No server was running" if told["pid"] is None else f"Covalent has stopped (pid {told['pid']})", quiet=quiet)


def is_covalent_running() -> bool:
    """Whether a server answers where scripts look for one; it need not be on this machine."""
    url = config.server_url()
    server = Server(url, None, network=Network(ca_file=config.ca_file(url)))
    try:
        return server.healthy()
    finally:
        server.close()


def _say(text: str, *, quiet: bool) -> None:
    if not quiet:
        sys.stdout.write(f"{text}\n")
