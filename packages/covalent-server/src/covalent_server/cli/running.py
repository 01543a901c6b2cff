"""What the server that runs on a data directory answers a user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from covalent_server.cli import ask, options, record, tokens
from covalent_server.cli.directory import DataDirectory
from covalent_server.errors import NotRunningError, RefusedError

_ANSWER: Final = 10.0


def asked(
    flags: options.Flags, method: str, path: str, body: Mapping[str, Any] | None = None, *, seconds: float = _ANSWER
) -> Any:
    """The JSON that it answers; NotRunningError without a server, RefusedError with what one says against it."""
    server = known(flags)
    token = tokens.read_token(options.load(flags).config_dir, server.url)
    url = f"{server.url}/api/v1/{path}"
    answer = ask.ask(method, url, token=token, seconds=seconds, body=body, certificate=server.certificate)
    if not answer.ok:
        raise RefusedError(answer.refusal)
    return answer.plain


def known(flags: options.Flags) -> record.ServerRecord:
    """The server that runs on a data directory; NotRunningError without one."""
    settings = options.load(flags)
    found = record.look(DataDirectory(path=settings.data_dir)).record
    if found is None:
        raise NotRunningError(f"no server runs on {settings.data_dir}; start it with: covalent start")
    return found
