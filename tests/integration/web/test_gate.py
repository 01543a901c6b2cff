"""Who may ask what, from where: every route of the router, enumerated."""

from __future__ import annotations

import re

import pytest

from covalent_server.web.app import ROUTES
from covalent_server.web.routing import Route, Scope
from tests.installation import Installation

GUARDED = [route for route in ROUTES if route.scope not in (Scope.ANYONE, Scope.STRANGER)]
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]


def name(route: Route) -> str:
    return f"{route.method} {route.path}"


def address(route: Route) -> str:
    return re.sub(r"\{\w+\}", "0", route.path)


@pytest.mark.parametrize("route", GUARDED, ids=name)
@pytest.mark.parametrize("token", [None, "wrong", "\u00e9", " "], ids=["none", "wrong", "odd", "blank"])
def test_every_route_but_health_and_the_page_needs_a_token(
    server: Installation, route: Route, token: str | None
) -> None:
    answer = server.request(route.method, address(route), b"{}", token=token)
    assert answer.status == 401
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.plain["code"] == "unauthenticated"


@pytest.mark.parametrize("route", [route for route in ROUTES if route.scope is Scope.ANYONE], ids=name)
def test_health_needs_no_token(server: Installation, route: Route) -> None:
    assert server.request(route.method, route.path, token=None).status == 200


@pytest.mark.parametrize("route", [route for route in ROUTES if route.scope is Scope.WORKER], ids=name)
def test_a_users_token_is_no_workers(server: Installation, route: Route) -> None:
    assert server.request(route.method, address(route), b"{}").status == 403


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "localhost@evil.example", "[::1", "evil.example:48008"]
)
def test_a_foreign_host_is_refused_on_every_method(server: Installation, method: str, host: str) -> None:
    answer = server.request(method, "/api/v1/dispatches", b"{}", headers={"Host": host})
    assert answer.status in (400, 421)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "HEAD"])
@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}], ids=str
)
def test_requests_of_other_sites_are_refused(server: Installation, method: str, headers: dict[str, str]) -> None:
    answer = server.request(method, "/api/v1/dispatches", b"{}", headers=headers)
    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "route",
    [route for route in GUARDED if route.method in ("POST", "PUT") and route.scope is not Scope.WORKER],
    ids=name,
)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_bodies_need_their_content_type(server: Installation, route: Route, content_type: str) -> None:
    path = address(route).replace("/assets/0", "/assets/" + "0" * 64)
    assert server.request(route.method, path, b"{}", headers={"Content-Type": content_type}).status == 415


def test_an_unknown_address_is_a_problem_too(server: Installation) -> None:
    assert server.request("GET", "/api/v1/nothing").plain["status"] == 404
    assert server.request("DELETE", "/api/v1/dispatches").plain["status"] == 405
    assert server.request("GET", "/api/v1/nothing", token=None).status == 401


def test_every_answer_names_the_installation(server: Installation) -> None:
    told = server.request("GET", "/api/v1/server")
    assert told.headers["Covalent-Instance"] == told.plain["instance"]
    assert told.plain["guard"] == "armed"
    assert server.request("GET", "/api/v1/server", token=None).headers["Covalent-Instance"] == told.plain["instance"]
