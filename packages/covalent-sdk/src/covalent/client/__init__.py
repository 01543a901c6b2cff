"""What a script asks of a server: start this workflow, tell me how it ended."""

from __future__ import annotations

from covalent.client.dispatching import dispatch, dispatch_sync
from covalent.client.waiting import get_result

__all__ = ["dispatch", "dispatch_sync", "get_result"]
