"""What a script asks of a server: start this workflow, tell me how it ended, stop it, run it again.

What programs on asyncio ask instead is in ``asynchronous``, which others need not load.
"""

from __future__ import annotations

from covalent.client.cancelling import cancel
from covalent.client.dispatching import dispatch, dispatch_sync
from covalent.client.listing import dispatches
from covalent.client.redispatching import redispatch
from covalent.client.triggering import stop_triggers
from covalent.client.waiting import get_result

__all__ = ["cancel", "dispatch", "dispatch_sync", "dispatches", "get_result", "redispatch", "stop_triggers"]
