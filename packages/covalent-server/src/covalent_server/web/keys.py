"""What handlers find in the application."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from aiohttp import web

from covalent.wire.records import ServerInfo
from covalent_server.engine.callers import Caller, Credential
from covalent_server.engine.engine import Engine
from covalent_server.reach import Reach
from covalent_server.settings import Settings


class StopCommand(Protocol):
    """Ends the server."""

    def __call__(self, *, keep_workers: bool) -> None:
        """Begin to stop; local workers are kept or not."""


ENGINE: Final = web.AppKey("engine", Engine)
SETTINGS: Final = web.AppKey("settings", Settings)
INFO: Final = web.AppKey("info", ServerInfo)
REACH: Final = web.AppKey("reach", Reach)
#: Ends the server.
STOP: Final = web.AppKey("stop", StopCommand)
STOPPING: Final = web.AppKey("stopping", asyncio.Event)

CALLER: Final = web.RequestKey("caller", Caller)
#: What the caller was let in by.
CREDENTIAL: Final = web.RequestKey("credential", Credential)
