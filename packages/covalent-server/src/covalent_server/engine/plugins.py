"""The provisioners that this server starts itself: kept running, each in a process of its own, and ended with it."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from covalent_server.engine.shared import monotonic
from covalent_server.executors import provisioner
from covalent_server.executors.provisioner import ProvisionerProcess

if TYPE_CHECKING:
    from covalent_server.settings import Settings

log = logging.getLogger(__name__)

_REASON: Final = "local_interpreters, which say what the server runs where other machines reach it"
#: Seconds before one that has ended is started again, doubled each time that it has not lived long.
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
STEADY_SECONDS: Final = 60.0
#: Seconds in which it has to end its workers when the server stops, then to leave them, and then to be killed.
END_SECONDS: Final = 8.0
LEAVE_SECONDS: Final = 2.0


class Plugins:
    """The processes of provisioners."""

    def __init__(
        self,
        settings: Settings,
        *,
        url: str,
        admit: Callable[[str], Awaitable[None]],
        down: Callable[[str, int, str], None],
    ) -> None:
        """For a server at ``url``.

        ``admit(token)`` lets provisioners in; ``down(executor, process id, words)`` tells of the end of one.
        """
        self._settings = settings
        self._url = url
        self._admit = admit
        self._down = down
        self._running: dict[str, ProvisionerProcess] = {}
        self._closing = False

    async def watch(self) -> None:
        """Keep all of them running, for as long as the engine runs."""
        if not self._settings.provisioners:
            return
        python = self._settings.provisioner_python
        allowed = self._settings.interpreters
        if allowed is not None and str(python) not in allowed:
            for executor in self._settings.provisioners:
                self._down(executor, 0, f"the server starts no provisioner with {python}: it is not one of {_REASON}")
            log.warning("provisioners are not started: %s is not one of %s", python, _REASON)
            return
        token = secrets.token_urlsafe(32)
        await self._admit(token)
        async with asyncio.TaskGroup() as group:
            for executor in self._settings.provisioners:
                group.create_task(self._keep(executor, token))

    async def _keep(self, executor: str, token: str) -> None:
        order = provisioner.Start(
            executor=executor,
            python=self._settings.provisioner_python,
            url=self._url,
            token=token,
            ca_file=self._settings.tls_cert,
            directory=self._settings.data_dir / "provisioners" / executor,
        )
        pause = FIRST_PAUSE
        while True:
            began = monotonic()
            pid, words = await self._run(order)
            if self._closing:
                return
            log.warning("the provisioner of executor=%s %s", executor, words)
            self._down(executor, pid, f"the provisioner of {executor!r} {words}")
            pause = FIRST_PAUSE if monotonic() - began > STEADY_SECONDS else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _run(self, order: provisioner.Start) -> tuple[int, str]:
        """Run one process to its end; its number, and how that was."""
        try:
            process = ProvisionerProcess(await asyncio.to_thread(provisioner.start, order, os.environ))
        except OSError as error:
            return 0, f"cannot be started with {order.python}: {error}"
        log.info("started a provisioner executor=%s pid=%s", order.executor, process.pid)
        self._running[order.executor] = process
        try:
            await process.gone.wait()
        finally:
            del self._running[order.executor]
        return process.pid, process.last_words()

    async def close(self, *, keep_workers: bool) -> None:
        """End provisioners and, unless these are to be kept, the workers that they have started."""
        self._closing = True
        running = list(self._running.values())
        for process in running:
            if keep_workers:
                process.detach()
            else:
                process.signal(signal.SIGTERM)
        for seconds, number in ((END_SECONDS, signal.SIGTERM), (LEAVE_SECONDS, signal.SIGKILL), (LEAVE_SECONDS, None)):
            waits = [asyncio.create_task(process.gone.wait()) for process in running]
            _, late = await asyncio.wait(waits, timeout=seconds) if waits else ((), ())
            for task in late:
                task.cancel()
            running = [process for process in running if not process.gone.is_set()]
            for process in running:
                if number is not None:
                    process.signal(number)
