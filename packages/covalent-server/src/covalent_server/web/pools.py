"""The route of pools, for people to look at."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from covalent_server.engine import pools
from covalent_server.web.keys import CALLER, ENGINE
from covalent_server.web.routing import PREFIX, Route, Scope
from covalent_server.web.validation import json_answer


async def listing(request: web.Request) -> web.Response:
    """The caller's pools, with their workers, jobs and latest errors."""
    return json_answer(await pools.listing(request.app[ENGINE], request[CALLER].owner))


ROUTES: Final = (Route(method="GET", path=f"{PREFIX}/pools", handler=listing, scope=Scope.USER),)
