"""The one shape of an error's answer, and the one table of HTTP statuses."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from covalent.errors import FeatureError, WireError
from covalent.wire.records import Problem
from covalent_server.core import errors
from covalent_server.errors import DatabaseUnavailableError

PROBLEM_CONTENT_TYPE: Final = "application/problem+json"

#: The first class that fits gives status and code.
_STATUSES: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (FeatureError, 400, "unsupported-feature"),
    (WireError, 400, "malformed"),
    (errors.ProtocolError, 400, "unsupported-protocol"),
    (errors.UnknownDispatchError, 404, "unknown-dispatch"),
    (errors.UnknownNodeError, 404, "unknown-node"),
    (errors.UnknownAssetError, 404, "unknown-asset"),
    (errors.LostAssetError, 410, "asset-lost"),
    (errors.UnknownWorkerError, 404, "unknown-worker"),
    (errors.UnknownProvisionerError, 404, "unknown-provisioner"),
    (errors.UnknownTriggerError, 404, "unknown-trigger"),
    (errors.UnknownTokenError, 404, "unknown-token"),
    (errors.ForeignPoolError, 403, "foreign-pool"),
    (errors.UnknownLimitError, 404, "unknown-limit"),
    (errors.IdempotencyConflictError, 409, "idempotency-conflict"),
    (errors.EndedDispatchError, 409, "dispatch-ended"),
    (errors.ForeignAssetError, 422, "missing-assets"),
    (errors.AssetMismatchError, 422, "asset-mismatch"),
    (errors.ExecutorRefusedError, 422, "executor-refused"),
    (DatabaseUnavailableError, 503, "database-away"),
)

#: What statuses without a message of their own are called.
_TITLES: Final = {
    400: ("bad-request", "The request could not be understood"),
    401: ("unauthenticated", "A valid token is needed"),
    403: ("forbidden", "The token does not allow this"),
    404: ("not-found", "There is nothing at this address"),
    405: ("method-not-allowed", "This address does not take that method"),
    408: ("timeout", "The request took too long to arrive"),
    413: ("too-large", "The request is too large"),
    415: ("content-type", "The content type is not one that is taken here"),
    429: ("too-many", "There are too many of these already"),
    421: ("foreign-host", "The Host header names another server"),
    500: ("internal", "The server failed; its log says why"),
}


class RefusedError(Exception):
    """A request that is refused before it reaches the engine."""

    def __init__(self, status: int, detail: str, path: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.path = path


def problem(error: Exception) -> Problem | None:
    """An error as it is answered, or None when it is no fault of the request."""
    if isinstance(error, RefusedError):
        code, title = _TITLES[error.status]
        return Problem(code=code, title=title, status=error.status, detail=error.detail, path=error.path)
    if isinstance(error, web.HTTPException):
        code, title = _TITLES.get(error.status, ("http", error.reason))
        return Problem(code=code, title=title, status=error.status, detail=error.text or error.reason)
    for cls, status, code in _STATUSES:
        if isinstance(error, cls):
            message = error.message if isinstance(error, WireError) else str(error)
            return Problem(
                code=code,
                title=code.replace("-", " "),
                status=status,
                detail=message,
                path=getattr(error, "path", None),
            )
    return None


def internal() -> Problem:
    """What is said of a fault of the server's own: nothing."""
    code, title = _TITLES[500]
    return Problem(code=code, title=title, status=500)


def answer(told: Problem) -> web.Response:
    """The HTTP answer of a problem."""
    response = web.Response(status=told.status, body=msgspec.json.encode(told), content_type=PROBLEM_CONTENT_TYPE)
    if told.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
