"""``python -m covalent login``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from covalent import config
from covalent.commands import exits, output
from covalent.errors import AuthenticationError, ConfigError
from covalent.http import Network, Server
from covalent.wire.codec import from_json
from covalent.wire.records import ServerInfo

_UNAUTHORIZED: Final = 401


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command; a token is no argument, for other accounts can read command lines."""
    parser.add_argument("--token-file", metavar="FILE", help="read the token from a file")


def run(given: argparse.Namespace) -> int:
    """Keep the API token of a server, from a prompt, standard input or a file, after the server has accepted it."""
    url = config.server_url(given.server)
    token = _checked(_read(given.token_file, url))
    try:
        server = Server(url, token, network=Network(ca_file=config.ca_file(url)))
        known = from_json(ServerInfo, server.get("/server"))
    except AuthenticationError as error:
        if error.status != _UNAUTHORIZED:
            raise
        message = f"the server at {url} does not accept this token, so it was not kept; ask for one where it runs"
        raise AuthenticationError(message, status=error.status, code=error.code) from None
    path = config.store_token(url, token)
    lines = [f"The token for the server at {url} (version {known.version}) is kept in {path}"]
    if os.environ.get("COVALENT_API_TOKEN"):
        lines.append("COVALENT_API_TOKEN is set and stands above it")
    if url != config.server_url():
        lines.append(f"Scripts look elsewhere until they are told: export COVALENT_SERVER_URL={url}")
    output.show(
        "\n".join(lines), {"url": url, "version": known.version, "token_file": str(path)}, as_json=given.as_json
    )
    return exits.OK


def _read(file: str | None, url: str) -> str:
    if file is not None:
        return Path(file).expanduser().read_text(encoding="utf-8", errors="replace")
    if not sys.stdin.isatty():
        return sys.stdin.read()
    from getpass import getpass  # noqa: PLC0415  only a terminal needs it

    try:
        return getpass(f"Token for {url}: ")
    except EOFError:
        return ""


def _checked(text: str) -> str:
    token = text.strip()
    if not token:
        raise ConfigError("no token was given; type it at the prompt, or give it on standard input or in --token-file")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError("what was given is no token: a token is one word of letters, digits and signs")
    return token
