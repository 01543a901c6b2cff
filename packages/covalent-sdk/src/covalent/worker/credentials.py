"""What a worker reports with: a token that it was given, or one that it asks for in its user's name and gives back."""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from covalent import config
from covalent.errors import ServerError, WorkerError
from covalent.http import Network, Server, persistently
from covalent.wire.codec import from_json
from covalent.wire.pool_tokens import IssuedToken, NewToken, TokenId

_log = logging.getLogger("covalent.worker")

VARIABLE: Final = "COVALENT_TOKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A worker's token, and where it came from, for messages."""

    token: str
    source: str


@contextmanager
def credentials(
    url: str, pool: str, network: Network, file: Path | None, environ: Mapping[str, str]
) -> Iterator[Credentials]:
    """The token of the file, of ``COVALENT_TOKEN``, or one of its own for the pool while this lasts.

    The last is asked for with what ``python -m covalent login`` has kept: the worker, and whoever gets into it, then
    has a token that is good for this pool alone. Raises WorkerError when there is none.
    """
    if file is not None:
        yield Credentials(token=_told(file.read_text(encoding="ascii"), str(file)), source=str(file))
    elif VARIABLE in environ:
        yield Credentials(token=_told(environ[VARIABLE], VARIABLE), source=VARIABLE)
    else:
        users = config.server_token(url)
        if users is None:
            raise WorkerError(
                f"there is no token for {url}; whoever runs the server makes one with: covalent token create --pool "
                f"{pool}. Give it with --token-file PATH or in {VARIABLE}, or log in: python -m covalent login"
            )
        server = Server(url, users, network=network)
        wanted = NewToken(pool=pool, name=f"a worker on {platform.node()}")
        issued = from_json(IssuedToken, persistently(lambda: server.post("/tokens", wanted)).plain)
        server.close()  # a worker forks before it connects
        try:
            yield Credentials(token=issued.token, source=f"the answer to who is logged in at {url}")
        finally:
            try:
                server.post("/tokens/revoke", TokenId(id=issued.id), timeout=5.0)
            except ServerError as error:
                _log.info("the worker's token %s could not be given back: %s", issued.id, error)


def _told(text: str, source: str) -> str:
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise WorkerError(f"there is no token in {source}; a token is one word, which `covalent token create` tells")
    return token
