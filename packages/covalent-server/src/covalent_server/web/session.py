"""Routes of signing in: a code for a browser, the cookie that it is exchanged for, and signing out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from covalent.errors import WireError
from covalent.wire.signing_in import CodeRequest, SessionRecord, SessionScope, SignIn, SignInCode
from covalent_server.db.identity import token_digest
from covalent_server.web.authentication import check_same_origin, cookie_of, delete_cookie, set_cookie
from covalent_server.web.errors import RefusedError
from covalent_server.web.keys import CALLER, CREDENTIAL, ENGINE, INFO, SETTINGS
from covalent_server.web.routing import PREFIX, Route, Scope
from covalent_server.web.validation import json_answer, record

if TYPE_CHECKING:
    from covalent_server.db.sessions import SessionRow

_CODE_REQUEST: Final = msgspec.json.Decoder(CodeRequest)
_SIGN_IN: Final = msgspec.json.Decoder(SignIn)

#: The page's address for signing in. What is behind the # is told to no server, and so stands in no log of one.
_SIGN_IN_PAGE: Final = "/sign-in#code="


async def issue(request: web.Request) -> web.Response:
    """A code for a browser to sign in with, once and soon."""
    wanted = await record(request, _CODE_REQUEST)
    code = request.app[ENGINE].sessions.issue(request[CREDENTIAL].token, wanted.scope)
    # Not as the caller has reached it: commands on this machine do not go by its name.
    url = f"{request.app[INFO].public_url}{request.app[SETTINGS].url_prefix}{_SIGN_IN_PAGE}{code.text}"
    return json_answer(SignInCode(code=code.text, expires_at=code.expires_at, url=url), status=201)


async def sign_in(request: web.Request) -> web.Response:
    """A cookie for a code, or for a token that somebody typed in."""
    check_same_origin(request)
    given = await record(request, _SIGN_IN)
    if (given.code is None) == (given.token is None):
        raise WireError("expected a code or a token", path="$")
    engine = request.app[ENGINE]
    if given.code is not None:
        begun = await engine.sessions.exchange(given.code)
    else:
        token = token_digest((given.token or "").strip())
        caller = engine.in_force(token)
        is_users = caller is not None and caller.scope == SessionScope.USER
        begun = await engine.sessions.begin(token, SessionScope.USER) if is_users else None
    if begun is None:
        raise RefusedError(401, "that was used already, has run out or never was; `covalent open` gives another")
    cookie, row = begun
    caller = engine.in_force(row.token)
    response = json_answer(_record("" if caller is None else caller.owner, row))
    set_cookie(request, response, cookie)
    return response


async def who(request: web.Request) -> web.Response:
    """Who asks."""
    caller, credential = request[CALLER], request[CREDENTIAL]
    row = None if credential.session is None else request.app[ENGINE].sessions.find(credential.session)
    if row is None:
        return json_answer(SessionRecord(owner=caller.owner, scope=caller.scope))
    return json_answer(_record(caller.owner, row))


async def sign_out(request: web.Request) -> web.Response:
    """End the session of the browser that asks; without one nothing happens."""
    check_same_origin(request)
    cookie = cookie_of(request)
    if cookie is not None:
        await request.app[ENGINE].sessions.end(token_digest(cookie))
    response = web.Response(status=204)
    delete_cookie(request, response)
    return response


def _record(owner: str, row: SessionRow) -> SessionRecord:
    return SessionRecord(owner=owner, scope=row.scope, created_at=row.created_at, expires_at=row.expires_at)


_PATH: Final = f"{PREFIX}/session"

ROUTES: Final = (
    Route(method="POST", path=_PATH, handler=sign_in, scope=Scope.STRANGER),
    Route(method="GET", path=_PATH, handler=who, scope=Scope.USER),
    Route(method="DELETE", path=_PATH, handler=sign_out, scope=Scope.STRANGER),
    Route(method="POST", path=f"{_PATH}/codes", handler=issue, scope=Scope.USER),
)
