"""The one door for reads: they block, so they run on threads of their own, each in a consistent snapshot."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import DBAPIError

from covalent_server.db.outages import Outage, is_outage

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

T = TypeVar("T")


class Reader:
    """Runs functions of a read-only connection."""

    def __init__(self, engine: Engine, threads: int = 2) -> None:
        self._engine = engine
        self._outage = Outage()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="reader")
        self._apart = ThreadPoolExecutor(threads, thread_name_prefix="reader-apart")

    async def run(self, function: Callable[[Connection], T]) -> T:
        """The function's value."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._call, function)

    async def run_apart(self, function: Callable[[Connection], T]) -> T:
        """As :meth:`run`, for what takes long: nobody who asks for little waits behind it."""
        return await asyncio.get_running_loop().run_in_executor(self._apart, self._call, function)

    def _call(self, function: Callable[[Connection], T]) -> T:
        while True:
            try:
                with self._engine.connect() as connection, connection.begin():
                    value = function(connection)
            except DBAPIError as error:
                if not is_outage(error):
                    raise
                self._outage.wait(error)
            else:
                self._outage.over()
                return value

    def close(self) -> None:
        """Let running reads end."""
        self._outage.give_up()
        self._pool.shutdown()
        self._apart.shutdown()
        self._engine.dispose()
