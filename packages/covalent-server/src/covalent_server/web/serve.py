"""Serving: from settings to an open port, and back."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import time
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from aiohttp import web

from covalent.wire import FEATURES, PROTOCOL, places
from covalent.wire.records import ServerInfo
from covalent_server import guard, reach
from covalent_server.engine.callers import Caller
from covalent_server.engine.engine import OWNER, running
from covalent_server.executors.registry import KNOWN
from covalent_server.web import app as application
from covalent_server.web.keys import ENGINE, INFO, REACH, SETTINGS, STOP, STOPPING
from covalent_server.web.streaming import STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from covalent_server.settings import Settings

_BACKLOG: Final = 512
#: The writer gives the interpreter away at every statement and waits at most this long to have it back.
_SWITCH_SECONDS: Final = 0.0005
#: A large graph is millions of objects for a while. To look through all of them for cycles every now and then, as
#: Python does by itself, would hold up everybody for seconds; what is young is looked at often enough.
_COLLECTION: Final = (10_000, 10, 100)
#: Seconds that requests have to end when the server stops.
_SHUTDOWN: Final = 2.0


async def serve(
    settings: Settings,
    *,
    token_for: Callable[[str], str],
    announce: Callable[[ServerInfo], None],
    stop: asyncio.Event,
) -> None:
    """Serve until ``stop`` is set.

    ``token_for(url)`` gives the account's token; ``announce`` is called once requests are answered. Raises OSError
    when the address cannot be had, and SettingsError when the server is not to be reached like that.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(*_COLLECTION)
    listener = _listen(settings.host, settings.port)
    reached = reach.of(settings, listener.getsockname()[1])
    keep = False

    def end(*, keep_workers: bool) -> None:
        nonlocal keep
        keep = keep_workers
        stop.set()

    async with running(settings, host=places.host_identity(), url=reached.url, public_url=reached.public_url) as engine:
        await engine.settle_account(token_for(reached.url), Caller(owner=OWNER, scope="user"))
        info = ServerInfo(
            version=version("covalent-server"),
            protocol=PROTOCOL,
            instance=engine.shared.instance,
            pid=os.getpid(),
            url=reached.url,
            public_url=reached.public_url,
            certificate=reached.certificate.fingerprint if reached.certificate else "",
            guard=guard.status(),
            started_at=time.time(),
            features=tuple(sorted(FEATURES)),
            executors=KNOWN,
        )
        app = application.build(settings)
        app[STREAMS] = Counter()
        app[ENGINE], app[SETTINGS], app[INFO], app[STOP], app[STOPPING] = engine, settings, info, end, stop
        app[REACH] = reached
        runner = web.AppRunner(
            app,
            access_log=None,
            # It also bounds how long a request's head may take to arrive, from aiohttp 3.14 on.
            keepalive_timeout=settings.request_timeout,
            shutdown_timeout=_SHUTDOWN,
            handle_signals=False,
        )
        await runner.setup()
        try:
            tls = reached.certificate.context if reached.certificate else None
            await web.SockSite(runner, listener, backlog=_BACKLOG, ssl_context=tls).start()
            announce(info)
            await stop.wait()
            await engine.close(keep_workers=keep)
        finally:
            await runner.cleanup()


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        if host == "::":  # all of the machine's addresses, also those of the older kind
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
