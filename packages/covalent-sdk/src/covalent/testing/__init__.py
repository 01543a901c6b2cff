"""For the tests of your own workflows.

:func:`run` runs a workflow in this process, task by task, with no server; :func:`server` starts a throw-away server,
to which ``ct.dispatch`` goes while it is there.
"""

from __future__ import annotations

from covalent.testing.running import run
from covalent.testing.servers import ThrowAwayServer, server

__all__ = ["ThrowAwayServer", "run", "server"]
