"""The application: the routes, and the gate that every request passes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from covalent_server.engine.shared import monotonic
from covalent_server.web import (
    assets,
    dispatches,
    limits,
    metrics,
    openapi,
    overview,
    page,
    pools,
    printed,
    provisioning,
    purging,
    server,
    session,
    streaming,
    tokens,
    triggers,
    workers,
)
from covalent_server.web.authentication import authenticate
from covalent_server.web.errors import RefusedError, answer, internal, problem
from covalent_server.web.keys import ENGINE, INFO, REACH, SETTINGS
from covalent_server.web.routing import Handler, Route, Scope

if TYPE_CHECKING:
    from covalent_server.settings import Settings

log = logging.getLogger(__name__)

ROUTES: Final[tuple[Route, ...]] = (
    *server.ROUTES,
    *metrics.ROUTES,
    *openapi.ROUTES,
    *session.ROUTES,
    # Its path would be that of a dispatch, too: the first that fits is taken.
    *purging.ROUTES,
    *overview.ROUTES,
    *dispatches.ROUTES,
    *printed.ROUTES,
    *streaming.ROUTES,
    *triggers.ROUTES,
    *limits.ROUTES,
    *tokens.ROUTES,
    *assets.ROUTES,
    *workers.ROUTES,
    *provisioning.ROUTES,
    *pools.ROUTES,
    # Takes what is left.
    *page.ROUTES,
)
_SCOPES: Final = {route.handler: route.scope for route in ROUTES}
#: Of every answer that does not say otherwise: nothing that is sent here is ever a page of its own.
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def build(settings: Settings) -> web.Application:
    """The application, with nothing in it yet but the routes."""
    app = web.Application(client_max_size=settings.max_body_bytes, middlewares=[_gate])
    app[openapi.TABLE] = ROUTES
    # Whether a proxy takes the prefix away or leaves it: both are understood.
    for prefix in dict.fromkeys((settings.url_prefix, "")):
        for route in ROUTES:
            app.router.add_route(route.method, prefix + route.path, route.handler)
    return app


@web.middleware
async def _gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Who asks, from where, and what is said when it goes wrong."""
    began = monotonic()
    try:
        _check_encoding(request)
        _check_address(request)
        scope = _scope(request)
        if scope is not Scope.ANYONE:
            _check_host(request)
            # A link to the page may stand anywhere; what the page shows is asked for by itself.
            if scope is not Scope.STRANGER or request.method != hdrs.METH_GET:
                _check_site(request)
            if scope is not Scope.STRANGER:
                authenticate(request, scope)
        response = await handler(request)
    except (RecursionError, Exception) as error:
        told = problem(error)
        if told is None:
            log.exception("request failed method=%s path=%s", request.method, request.path)
            told = internal()
        response = answer(told)
    if not response.prepared:
        response.headers["Covalent-Instance"] = request.app[INFO].instance
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
    _count(request, response.status, monotonic() - began)
    return response


def _scope(request: web.Request) -> Scope:
    """Who may ask what is asked; what is at no address is not told to everybody."""
    handler = request.match_info.handler
    if handler is metrics.metrics and request.app[SETTINGS].open_metrics:
        return Scope.ANYONE
    return _SCOPES.get(handler, Scope.BOTH)


def _count(request: web.Request, status: int, seconds: float) -> None:
    """Take a request down by its route: of those there is a limited number."""
    tally, resource = request.app[ENGINE].shared.tally, request.match_info.route.resource
    # The first that fits is taken: with a prefix or without it, a route is the same.
    route = "" if resource is None else resource.canonical.removeprefix(request.app[SETTINGS].url_prefix)
    method = request.method if resource is not None else ""
    tally.requests[method, route, status] += 1
    tally.seconds[method, route] += seconds


def _check_encoding(request: web.Request) -> None:
    if hdrs.CONTENT_ENCODING in request.headers:
        raise RefusedError(415, "send bodies as they are, without a Content-Encoding")


def _check_address(request: web.Request) -> None:
    """Refuse what no name or id can hold, and not every database takes."""
    if "%00" in request.raw_path:
        raise RefusedError(400, "the address holds a NUL character")


def _check_host(request: web.Request) -> None:
    """Refuse a foreign Host: a page of another site may have made its name lead here."""
    name = _host_name(request.headers.get(hdrs.HOST, ""))
    if not request.app[REACH].answers_to(name, _arrived_at(request)):
        raise RefusedError(
            421, f"this server does not go by the name {name!r}; where it is started, --host-names gives it more names"
        )


def _check_site(request: web.Request) -> None:
    """Refuse what a page of another site sends."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin.partition("://")[2] != request.headers.get(hdrs.HOST):
        raise RefusedError(403, "requests from other sites are not taken")
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise RefusedError(403, "requests from other sites are not taken")


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _arrived_at(request: web.Request) -> str:
    """The address of this machine that a request was sent to."""
    own = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return str(own[0]).removeprefix("::ffff:") if own else ""
