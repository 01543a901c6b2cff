"""``covalent start``."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import click

from covalent.errors import ConfigError
from covalent.wire import places
from covalent_server.cli import ask, options, output, readiness, record, tokens
from covalent_server.cli.launch import Order, launch
from covalent_server.errors import NotAnsweringError
from covalent_server.settings import FILE_NAME, Settings

#: Seconds that the server may take for an answer.
_ANSWER: Final = 10.0
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1"})


@click.command()
@options.every_setting
@click.option("--foreground", is_flag=True, help="Stay attached to this terminal; Ctrl-C stops the server.")
@click.option("--allow-late-guard", is_flag=True, help="Start although something had loaded pickle before the guard.")
@click.option("--ready-fd", type=int, hidden=True, help="Where to tell the command that started this server.")
@options.as_json
def start(*, foreground: bool, allow_late_guard: bool, ready_fd: int | None, as_json: bool, **flags: Any) -> None:
    """Start a server and return when it answers requests.

    Clients of this account find its address (port 48008, or COVALENT_SVC_PORT) and its API token by themselves.
    """
    settings = options.load(flags)
    if not foreground:
        order = Order(flags=flags, settings=settings, environ=os.environ, allow_late_guard=allow_late_guard)
        tell(launch(order), settings, as_json=as_json)
        return
    from covalent_server.cli import foreground as server  # noqa: PLC0415  (only who serves needs asyncio)

    def say(known: record.ServerRecord) -> None:
        if ready_fd is None:
            tell(known, settings, as_json=as_json)
            sys.stdout.flush()

    request = server.Start(flags=flags, settings=settings, allow_late_guard=allow_late_guard, tell=say)
    server.run(request, readiness.Reporter(ready_fd))


def tell(known: record.ServerRecord, settings: Settings, *, as_json: bool) -> None:
    """Say that a server is ready, and how it is reached."""
    token = places.token_path(settings.config_dir, known.url)
    lines = [
        f"Covalent is running at {known.url} (pid {known.pid})",
        f"Its API token is in {token}, where the SDK of this account finds it",
    ]
    if known.public_url:
        lines.append(f"Other machines reach it at {known.public_url}: python -m covalent login keeps a token there")
    if not as_json:
        lines.append(_page(known, settings))
    if not _found_by_clients(known.url):
        lines.append(f"Tell clients where it is: export COVALENT_SERVER_URL={known.url}")
    if known.guard != "armed":
        lines.append(f"The guard against unpickling is {known.guard}: pickle was loaded before it")
    facts: dict[str, object] = {"state": "running"}
    facts |= {name: getattr(known, name) for name in ("url", "public_url", "pid", "guard", "version")}
    output.show("\n".join(lines), facts | {"token_file": str(token)}, as_json=as_json)


def _page(known: record.ServerRecord, settings: Settings) -> str:
    """How a browser gets to the server's page, signed in."""
    by_command = "Its web page, signed in: covalent open"
    if known.pid == os.getpid():  # it cannot answer while it says this
        return by_command
    token = tokens.read_token(settings.config_dir, known.url)
    path = f"{known.url}/api/v1/session/codes"
    try:
        answer = ask.ask("POST", path, token=token, seconds=_ANSWER, body={}, certificate=known.certificate)
    except NotAnsweringError:
        return by_command
    return f"Its web page, signed in, once and within five minutes: {answer.plain['url']}" if answer.ok else by_command


def _found_by_clients(url: str) -> bool:
    """Whether a client with this environment looks for its server there."""
    whole = os.environ.get("COVALENT_SERVER_URL")
    if whole or url.startswith("https"):
        return (whole or "").rstrip("/") == url
    tables = _tables_of_clients()
    dispatcher, server = tables.get("dispatcher", {}), tables.get("server", {})
    address = os.environ.get("COVALENT_DISPATCHER_ADDR") or dispatcher.get("address", "localhost")
    given = os.environ.get("COVALENT_SVC_PORT") or dispatcher.get("port") or server.get("port")
    return address in _LOOPBACK and str(urlsplit(url).port) == str(given or places.DEFAULT_PORT)


def _tables_of_clients() -> Mapping[str, Mapping[str, Any]]:
    """The settings of scripts; flags may have led the server to another file."""
    try:
        file = tomllib.loads((places.config_dir(os.environ) / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, ConfigError):  # clients will say what is wrong with it
        return {}
    return {name: table for name, table in file.items() if isinstance(table, dict)}
