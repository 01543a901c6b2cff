"""Who asks: a token in a header, or the cookie of a browser that has signed in with one.

A browser sends a cookie along by itself, whichever page made it ask. So with a cookie everything but GET has to say
that it comes from a page of this server, and its body has to be JSON, which no form of another site's can send.
"""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web

from covalent_server.db.identity import token_digest
from covalent_server.engine.callers import Credential
from covalent_server.engine.sessions import SESSION_SECONDS
from covalent_server.web.errors import RefusedError
from covalent_server.web.keys import CALLER, CREDENTIAL, ENGINE, INFO, SETTINGS
from covalent_server.web.routing import Scope

_READING: Final = (hdrs.METH_GET, hdrs.METH_HEAD)
_JSON: Final = "application/json"


def authenticate(request: web.Request, scope: Scope) -> None:
    """Find out who asks, and whether they may; raises RefusedError."""
    credential = _credential(request)
    caller = None if credential is None else request.app[ENGINE].sessions.caller(credential)
    if credential is None or caller is None:
        raise RefusedError(
            401,
            "send the header `Authorization: Bearer <token>`; `covalent start` stores one. A browser signs in with the "
            "address that `covalent open` gives",
        )
    if not scope.admits(caller.scope, request.method):
        raise RefusedError(403, f"a {caller.scope} token does not allow this")
    if credential.session is not None and request.method not in _READING:
        check_same_origin(request)
        if request.body_exists and request.content_type != _JSON:
            raise RefusedError(415, f"a browser sends {_JSON}, not {request.content_type}")
    request[CALLER], request[CREDENTIAL] = caller, credential


def check_same_origin(request: web.Request) -> None:
    """Refuse what a browser does not say to come from a page of this server."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get(hdrs.ORIGIN)
    if site is None and origin is None:
        raise RefusedError(403, "a browser says where a request comes from, with Origin or Sec-Fetch-Site")
    if site not in (None, "same-origin"):
        raise RefusedError(403, "requests from other sites are not taken")


def _credential(request: web.Request) -> Credential | None:
    given = request.headers.get(hdrs.AUTHORIZATION)
    if given is not None:
        kind, _, token = given.partition(" ")
        return Credential(token=token_digest(token.strip())) if kind.lower() == "bearer" else None
    cookie = cookie_of(request)
    found = None if cookie is None else request.app[ENGINE].sessions.find(token_digest(cookie))
    return None if found is None else Credential(token=found.token, session=found.digest)


def set_cookie(request: web.Request, response: web.Response, value: str) -> None:
    """Let the browser keep its session."""
    response.set_cookie(
        _cookie_name(request),
        value,
        max_age=int(SESSION_SECONDS),
        path=_cookie_path(request),
        httponly=True,
        samesite="Strict",
        # Behind a proxy this server does not know how the browser speaks to it; the browser says so.
        secure=request.secure or request.headers.get(hdrs.ORIGIN, "").startswith("https://"),
    )


def delete_cookie(request: web.Request, response: web.Response) -> None:
    """Let the browser forget its session."""
    response.del_cookie(_cookie_name(request), path=_cookie_path(request), httponly=True, samesite="Strict")


def cookie_of(request: web.Request) -> str | None:
    """The cookie that a browser sent."""
    return request.cookies.get(_cookie_name(request))


def _cookie_name(request: web.Request) -> str:
    # A browser sends what one port of a machine gave it to all others, too: two servers must not take each other's.
    return f"covalent-{request.app[INFO].instance[:8]}"


def _cookie_path(request: web.Request) -> str:
    return f"{request.app[SETTINGS].url_prefix}/"
