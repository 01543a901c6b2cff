"""Reaching the server, and not giving up on one that is just being restarted."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import Final, TypeVar

from covalent import config
from covalent.errors import ServerError, ServerUnreachableError
from covalent.http import NOT_CONNECTED, Server

T = TypeVar("T")

#: For how long a server that nobody has heard of is asked for, in seconds: a script without one ends soon.
FIRST_CONTACT_SECONDS: Final = 1.5
#: For how long one that has answered before, or took the request, is waited for, in seconds.
RESTART_SECONDS: Final = 60.0
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0
#: What proxies answer for a server that is away, and a server that is about to go.
_AWAY: Final = frozenset({502, 503, 504})


def connect(dispatcher_addr: str | None = None) -> Server:
    """The server at an address, or at the configured one; its connections are kept open between calls."""
    url = config.server_url(dispatcher_addr)
    return _server(url, config.server_token(url), os.getpid())


def persistently(
    ask: Callable[[], T],
    *,
    reached: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What ``ask`` returns; it is repeated while the server is away, so it must be harmless to repeat.

    ``reached`` says that the server has answered before and is therefore worth waiting for.
    """
    pause = _FIRST_PAUSE
    away_since: float | None = None
    while True:
        try:
            return ask()
        except ServerError as error:
            if not isinstance(error, ServerUnreachableError) and error.status not in _AWAY:
                raise
            reached = reached or error.code != NOT_CONNECTED
            now = clock()
            away_since = now if away_since is None else away_since
            if now + pause > away_since + (RESTART_SECONDS if reached else FIRST_CONTACT_SECONDS):
                raise
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


@functools.lru_cache(maxsize=16)
def _server(url: str, token: str | None, _pid: int) -> Server:
    """One for each process: connections must not be shared with a fork."""
    return Server(url, token)
