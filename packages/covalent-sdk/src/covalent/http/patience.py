"""Asking again while a server is away, as long as that is worth it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from covalent.errors import ServerError, ServerUnreachableError

T = TypeVar("T")

#: The code of a ServerUnreachableError when not even a connection was ever made, so that nothing was sent.
NOT_CONNECTED: Final = "not-connected"
#: What proxies answer for a server that is away, and a server that is about to go.
AWAY: Final = frozenset({502, 503, 504})
#: For how long a server that nobody has heard of is asked for, in seconds: a script without one ends soon.
FIRST_CONTACT_SECONDS: Final = 1.5
#: For how long one that has answered before, or took the request, is waited for, in seconds.
RESTART_SECONDS: Final = 60.0
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0
#: How long a server is away before who waits for it is told, in seconds: most restarts are over by then.
_NOTICE_SECONDS: Final = 2.0


def persistently(
    ask: Callable[[], T],
    *,
    reached: bool = False,
    notice: Callable[[ServerError, float], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What ``ask`` returns; it is repeated while the server is away, so it must be harmless to repeat.

    ``reached`` says that the server has answered before and is therefore worth waiting for. ``notice`` is called once
    when it stays away, with the error and for how many seconds more it is asked.
    """
    pause = _FIRST_PAUSE
    away_since: float | None = None
    while True:
        try:
            return ask()
        except ServerError as error:
            if not isinstance(error, ServerUnreachableError) and error.status not in AWAY:
                raise
            reached = reached or error.code != NOT_CONNECTED
            now = clock()
            away_since = now if away_since is None else away_since
            end = away_since + (RESTART_SECONDS if reached else FIRST_CONTACT_SECONDS)
            if now + pause > end:
                if reached:
                    raise _given_up(error, now - away_since) from None
                raise
            if notice is not None and now - away_since >= _NOTICE_SECONDS:
                notice(error, end - now)
                notice = None
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _given_up(error: ServerError, seconds: float) -> ServerUnreachableError:
    message = f"{error}; it was asked for {seconds:.0f} seconds"
    return ServerUnreachableError(message, status=error.status, code=error.code)
