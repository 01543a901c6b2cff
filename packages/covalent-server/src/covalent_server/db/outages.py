"""A database that went away: how that is told from other errors, and for how long its return is waited for."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from covalent_server.errors import DatabaseUnavailableError

log = logging.getLogger(__name__)

#: Seconds for which its return is waited for before those who wait are told; from then on they are told at once.
PATIENCE: Final = 30.0
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 1.0
#: Of connections that broke, and of a PostgreSQL that stops, starts or has crashed.
_AWAY: Final = ("08", "57P")


def sqlstate(error: DBAPIError) -> str | None:
    """PostgreSQL's code of an error; None for one that the driver found by itself, empty on SQLite."""
    code: str | None = getattr(error.orig, "sqlstate", "")
    return code


def is_outage(error: DBAPIError) -> bool:
    """Whether an error means that the database, and not what was asked of it, is at fault, and may pass."""
    if error.connection_invalidated:
        return True
    code = sqlstate(error)
    if code is None:
        return isinstance(error, (OperationalError, InterfaceError))
    return code.startswith(_AWAY)


class Outage:
    """What one who speaks to the database knows of its absence."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._since: float | None = None
        self._pause = _FIRST_PAUSE
        self._given_up = threading.Event()

    def wait(self, error: DBAPIError, *, however_long: bool = False) -> None:
        """Wait a moment before the next try; raises DatabaseUnavailableError when that is not worth it any more."""
        now = time.monotonic()
        if self._since is None:
            self._since, self._pause = now, _FIRST_PAUSE
            log.warning("the database is away and waited for: %s", " ".join(str(error.orig).split()))
        late = now - self._since > self._patience and not however_long
        if late or self._given_up.wait(self._pause):
            raise DatabaseUnavailableError("the database is away (the log says why); try again later") from error
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def over(self) -> None:
        """The database has answered."""
        if self._since is not None:
            log.warning("the database is back after %.1f seconds", time.monotonic() - self._since)
            self._since = None

    def give_up(self) -> None:
        """Wait no more, now or later."""
        self._given_up.set()
