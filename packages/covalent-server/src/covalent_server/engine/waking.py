"""Letting delayed nodes be leased when they are due, by a clock that may be set back."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from covalent_server.db import waking
from covalent_server.engine.bell import heard
from covalent_server.engine.shared import SWEEP_SECONDS, monotonic, now, surviving

if TYPE_CHECKING:
    from covalent_server.engine.shared import Shared

log = logging.getLogger(__name__)

#: A clock that was set back by less delays a retry by no more than that.
SET_BACK_SECONDS: Final = 1.0


async def wake(shared: Shared) -> None:
    """Wake what is due, for as long as the engine runs; looked at now and then, whatever was missed."""
    ahead = now() - monotonic()
    while True:
        await heard(shared.due, SWEEP_SECONDS)
        shared.due.clear()
        before, ahead = ahead, now() - monotonic()
        if before - ahead > SET_BACK_SECONDS:
            log.warning("the clock was set back by %.1f seconds; so are the times of retries", before - ahead)
            await surviving(partial(set_back, shared, before - ahead))
        await surviving(partial(_wake_due, shared))


async def set_back(shared: Shared, seconds: float) -> None:
    """Set the times of retries back, as the clock was."""
    await shared.write(lambda session: waking.set_back(session, seconds))


async def _wake_due(shared: Shared) -> None:
    while await shared.read(lambda session: waking.any_due(session, now())):
        shared.tell(await shared.write(lambda session: waking.wake(session, now())))
