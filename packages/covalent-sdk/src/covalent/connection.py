"""Reaching the server: at which address, with which token."""

from __future__ import annotations

import functools
import os

from covalent import config
from covalent.http import Network, Server


def connect(dispatcher_addr: str | None = None) -> Server:
    """The server at an address, or at the configured one; its connections are kept open between calls."""
    url = config.server_url(dispatcher_addr)
    return _server(url, config.server_token(url), Network(ca_file=config.ca_file(url)), os.getpid())


@functools.lru_cache(maxsize=16)
def _server(url: str, token: str | None, network: Network, _pid: int) -> Server:
    """One for each process: connections must not be shared with a fork."""
    return Server(url, token, network=network)
