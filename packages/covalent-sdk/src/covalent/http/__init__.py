"""Talking to a server; the one place that imports urllib3, and only when the first request is made.

A :class:`Server` may be shared by threads and keeps its connections open. Nothing is repeated behind the caller's
back, with one exception: a request that may be repeated without harm (GET, PUT of an asset, POST under an
``Idempotency-Key``) is sent a second time when the kept-open connection turns out to have been closed.
Who wants more says so with :func:`persistently`. Who asks in a thread for somebody who may stop waiting asks under an
:class:`Interruption`.
"""

from __future__ import annotations

from covalent.http.connections import Network
from covalent.http.interruption import Interruption
from covalent.http.patience import NOT_CONNECTED, persistently
from covalent.http.server import Answer, Server

__all__ = ["NOT_CONNECTED", "Answer", "Interruption", "Network", "Server", "persistently"]
