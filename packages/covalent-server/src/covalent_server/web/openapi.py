"""The interface as an OpenAPI document, made of the table of routes and of the records that they speak in."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

import msgspec
from aiohttp import web

from covalent.wire.records import Problem
from covalent_server.web.contents import CONTENTS, JSON, QUERY, Content
from covalent_server.web.errors import PROBLEM_CONTENT_TYPE
from covalent_server.web.routing import PREFIX, Route, Scope

#: Parameters of paths.
_PATHS: Final[Mapping[str, Mapping[str, Any]]] = {
    "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "id": {"type": "string"},
    "node": {"type": "integer", "minimum": 0},
    "path": {"type": "string"},
    "stream": {"type": "string", "enum": ["stdout", "stderr"]},
}
_SCOPES: Final[Mapping[Scope, Sequence[Mapping[str, Any]]]] = {
    Scope.ANYONE: (),
    Scope.STRANGER: (),
    Scope.USER: ({"user": []}, {"cookie": []}),
    Scope.WORKER: ({"worker": []},),
    Scope.PROVISIONER: ({"user": []}, {"provisioner": []}),
    Scope.BOTH: ({"user": []}, {"cookie": []}, {"worker": []}),
}
_SECURITY: Final = {
    "user": {"type": "http", "scheme": "bearer", "description": "A user's token."},
    "worker": {"type": "http", "scheme": "bearer", "description": "A worker's token."},
    "provisioner": {"type": "http", "scheme": "bearer", "description": "That of a provisioner of the server's."},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "covalent-INSTANCE",
        "description": "Of a browser that has signed in; INSTANCE is the beginning of the server's instance id.",
    },
}
_REFERENCE: Final = "#/components/schemas/{name}"
_PARAMETER: Final = re.compile(r"\{(\w+)\}")


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The document of these routes."""
    spoken = [kind for content in CONTENTS.values() for kind in (content.takes, content.gives) if kind is not None]
    kinds = list(dict.fromkeys([*spoken, Problem]))
    found, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    for schema in components.values():
        if "description" in schema:  # a docstring, which from Python 3.13 on is not indented any more
            schema["description"] = inspect.cleandoc(schema["description"])
    schemas = dict(zip(kinds, found, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = path_of(route)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, CONTENTS[route.method, path], schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Covalent",
            "version": version("covalent-server"),
            "description": "The interface of a Covalent server. Fields that are null may be absent as well.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(components.items())), "securitySchemes": _SECURITY},
    }


def path_of(route: Route) -> str:
    """A route's path as OpenAPI writes it: without the pattern of a parameter."""
    return "/{path}" if route.path.startswith("/{path:") else route.path


def _operation(route: Route, content: Content, schemas: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any]:
    module = route.handler.__module__.rpartition(".")[2]
    answer: dict[str, Any] = {"description": "Done."}
    if content.status != 204:
        schema = {} if content.gives is None else schemas[content.gives]
        answer = {"description": "The answer.", "content": {content.content_type: {"schema": schema}}}
    problem = {"description": "What went wrong.", "content": {PROBLEM_CONTENT_TYPE: {"schema": schemas[Problem]}}}
    operation: dict[str, Any] = {
        "operationId": f"{module}_{_name(route)}",
        "summary": (route.handler.__doc__ or "").strip().partition("\n")[0],
        "tags": [module],
        "security": list(_SCOPES[route.scope]),
        "responses": {str(content.status): answer, "default": problem},
    }
    if parameters := _parameters(route, content):
        operation["parameters"] = parameters
    if content.takes is not None or route.method == "PUT":
        forms = {
            form: {"schema": schemas[content.takes] if form == JSON else {"type": "string", "format": "binary"}}
            for form in content.accepts
        }
        operation["requestBody"] = {"required": True, "content": forms}
    return operation


def _name(route: Route) -> str:
    """What a route is called: as its handler, where that serves no other."""
    name = route.handler.__name__
    return route.path.rpartition("/")[2] if name == "poll" else name


def _parameters(route: Route, content: Content) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": _PATHS[name]}
        for name in _PARAMETER.findall(path_of(route))
    ]
    in_query = [
        {"name": name, "in": "query", "required": False, "schema": QUERY[name][0], "description": QUERY[name][1]}
        for name in content.query
    ]
    return in_path + in_query


async def described(request: web.Request) -> web.Response:
    """This document."""
    return web.Response(body=_text(request.app[TABLE]), content_type=JSON)


@functools.cache
def _text(routes: tuple[Route, ...]) -> bytes:
    return msgspec.json.encode(document(routes))


#: Every route of the application.
TABLE: Final[web.AppKey[tuple[Route, ...]]] = web.AppKey("table", tuple)
ROUTES: Final = (Route(method="GET", path=f"{PREFIX}/openapi.json", handler=described, scope=Scope.USER),)
