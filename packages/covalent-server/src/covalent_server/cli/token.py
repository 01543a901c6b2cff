"""``covalent token``: what the workers of a pool report with."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from covalent_server.cli import options, output
from covalent_server.cli.running import asked, known
from covalent_server.errors import TokenFileError

_HEAD = ("ID", "POOL", "NAME", "WORKERS", "CREATED")


@click.group()
def token() -> None:
    """Make, show and revoke the tokens that workers of a pool report with."""


@token.command()
@options.places
@click.option("--pool", required=True, metavar="NAME", help="The pool whose tasks its workers may run.")
@click.option("--name", default="", metavar="TEXT", help="What to know the token by in the list.")
@click.option(
    "--output",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it into a new file that this account alone can read (mode 0600), and do not print it.",
)
@options.as_json
def create(*, pool: str, name: str, file: Path | None, as_json: bool, **flags: Any) -> None:
    """Make a token for the workers of a pool. It is told this once; the server keeps a digest of it."""
    descriptor = None if file is None else _opened(file)
    try:
        issued = asked(flags, "POST", "tokens", {"pool": pool, "name": name})
        if descriptor is not None:
            os.write(descriptor, f"{issued['token']}\n".encode("ascii"))
    except BaseException:
        if file is not None:
            file.unlink(missing_ok=True)
        raise
    finally:
        if descriptor is not None:
            os.close(descriptor)
    server = known(flags)
    start = f"covalent-worker --server {server.public_url or server.url} --pool {pool}"
    if file is None:
        text = f"{issued['token']}\nIt is told this once. Start a worker with it in COVALENT_TOKEN: {start}"
        facts = dict(issued)
    else:
        text = f"The token is in {file}. Start a worker with it: {start} --token-file {file}"
        facts = {"id": issued["id"], "pool": issued["pool"], "file": str(file)}
    output.show(text, facts, as_json=as_json)


@token.command("list")
@options.places
@options.as_json
def listing(*, as_json: bool, **flags: Any) -> None:
    """Show the tokens of pools that are in force; what they say is told to nobody."""
    _show(asked(flags, "GET", "tokens"), as_json=as_json)


@token.command()
@options.places
@click.argument("token_id", metavar="ID")
@options.as_json
def revoke(*, token_id: str, as_json: bool, **flags: Any) -> None:
    """End a token at once: its workers are let in no more, and what they hold goes to others."""
    _show(asked(flags, "POST", "tokens/revoke", {"id": token_id}), as_json=as_json)


def _opened(file: Path) -> int:
    try:
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise TokenFileError(
            f"the token cannot be written to {file}: {error.strerror or error}; no token was made. Name a new file"
        ) from None


def _show(found: Any, *, as_json: bool) -> None:
    rows = [
        (
            item["id"],
            item["pool"],
            item["name"],
            str(item["workers"]),
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(item["created_at"])),
        )
        for item in found["tokens"]
    ]
    output.show(output.table([_HEAD, *rows]) if rows else "No tokens of pools", found, as_json=as_json)
