"""A browser signs in with a code or a token, keeps a cookie, and is told from a page of another site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from covalent_server.web.app import ROUTES
from covalent_server.web.routing import Route, Scope
from tests.installation import Answer, Installation

SESSION = "/api/v1/session"
OURS = {"Sec-Fetch-Site": "same-origin"}
#: What a browser's user may ask, with anything but GET.
CHANGING = [route for route in ROUTES if route.method != "GET" and route.scope in (Scope.USER, Scope.BOTH)]


def name(route: Route) -> str:
    return f"{route.method} {route.path}"


def address(route: Route) -> str:
    return re.sub(r"\{\w+\}", "0", route.path)


def code(server: Installation, scope: str = "user") -> str:
    told = server.request("POST", f"{SESSION}/codes", plain={"scope": scope})
    assert told.status == 201
    return str(told.plain["code"])


def sign_in(server: Installation, **given: str) -> Answer:
    return server.request("POST", SESSION, plain=given, token=None, headers=OURS)


def cookie(answer: Answer) -> str:
    assert answer.status == 200
    return answer.headers["Set-Cookie"].partition(";")[0]


def ask(server: Installation, method: str, path: str, kept: str, **more: Any) -> Answer:
    headers = {"Cookie": kept, **OURS, **more.pop("headers", {})}
    return server.request(method, path, token=None, headers=headers, **more)


@pytest.fixture(scope="module")
def kept(server: Installation) -> str:
    return cookie(sign_in(server, code=code(server)))


@pytest.fixture(scope="module")
def viewers(server: Installation) -> str:
    return cookie(sign_in(server, code=code(server, "read")))


def test_a_code_is_good_for_one_browser(server: Installation) -> None:
    text = code(server)
    first = sign_in(server, code=text)
    assert first.plain["owner"] == "local"
    assert first.plain["expires_at"] > first.plain["created_at"]
    assert ask(server, "GET", SESSION, cookie(first)).plain == first.plain
    again = sign_in(server, code=text)
    assert (again.status, again.plain["code"]) == (401, "unauthenticated")
    assert "Set-Cookie" not in again.headers


@pytest.mark.parametrize("given", [{"code": "0" * 43}, {"token": "0" * 43}, {"token": ""}, {"code": "é"}], ids=str)
def test_a_wrong_code_or_token_lets_nobody_in(server: Installation, given: dict[str, str]) -> None:
    assert sign_in(server, **given).status == 401


@pytest.mark.parametrize("given", [{}, {"code": "x", "token": "y"}], ids=str)
def test_one_of_both_is_asked_for(server: Installation, given: dict[str, str]) -> None:
    assert sign_in(server, **given).status == 400


def test_a_token_signs_in_too_and_a_workers_does_not(server: Installation) -> None:
    assert sign_in(server, token=server.token).plain["scope"] == "user"


def test_the_cookie_is_for_this_server_alone_and_no_script_reads_it(server: Installation) -> None:
    told = sign_in(server, code=code(server))
    parts = [part.strip() for part in told.headers["Set-Cookie"].split(";")]
    assert parts[0].startswith(f"covalent-{told.headers['Covalent-Instance'][:8]}=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(parts)
    assert "Secure" not in parts  # a browser would not send it back without TLS
    secure = server.request(
        "POST",
        SESSION,
        plain={"code": code(server)},
        token=None,
        headers={"Host": "localhost", "Origin": "https://localhost"},
    )
    assert "Secure" in secure.headers["Set-Cookie"]


def test_no_secret_of_a_session_is_in_database_or_log(server: Installation, kept: str) -> None:
    value = kept.partition("=")[2].encode()
    held = [path for path in server.data.rglob("*") if path.is_file() and value in path.read_bytes()]
    assert held == []


def test_a_cookie_is_worth_as_much_as_its_token(server: Installation, kept: str) -> None:
    assert ask(server, "GET", "/api/v1/dispatches", kept).status == 200
    assert ask(server, "POST", "/api/v1/triggers/stop", kept, plain={"ids": ["0"]}).status == 404
    assert ask(server, "POST", "/api/v1/worker/hello", kept, plain={}).status == 403
    wrong = kept[:-1] + ("A" if kept[-1] != "A" else "B")
    assert ask(server, "GET", "/api/v1/dispatches", wrong).status == 401
    both = {"Cookie": kept, "Authorization": "Bearer wrong"}
    assert server.request("GET", "/api/v1/dispatches", token=None, headers=both).status == 401


@pytest.mark.parametrize("route", CHANGING, ids=name)
def test_a_viewer_changes_nothing(server: Installation, viewers: str, route: Route) -> None:
    assert ask(server, route.method, address(route), viewers, body=b"{}").status == 403


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.method == "GET" and route.scope is Scope.USER], ids=name
)
def test_a_viewer_sees_what_a_user_sees(server: Installation, viewers: str, kept: str, route: Route) -> None:
    if route.path.endswith("/stream"):
        pytest.skip("answers for as long as somebody listens: see test_streaming.py")
    path = address(route)
    assert ask(server, "GET", path, viewers).status == ask(server, "GET", path, kept).status != 403


@pytest.mark.parametrize("route", CHANGING, ids=name)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_with_a_cookie_a_change_comes_from_a_page_of_ours(
    server: Installation, kept: str, route: Route, headers: dict[str, str]
) -> None:
    sent = {"Cookie": kept, **headers}
    assert server.request(route.method, address(route), b"{}", token=None, headers=sent).status == 403


@pytest.mark.parametrize("route", CHANGING, ids=name)
@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "application/octet-stream"])
def test_with_a_cookie_a_body_is_json(server: Installation, kept: str, route: Route, kind: str) -> None:
    assert ask(server, route.method, address(route), kept, body=b"{}", headers={"Content-Type": kind}).status == 415


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"}], ids=str)
def test_another_site_signs_nobody_in_or_out(server: Installation, method: str, headers: dict[str, str]) -> None:
    body = b'{"code": "0"}' if method == "POST" else None
    assert server.request(method, SESSION, body, token=None, headers=headers).status == 403


def test_who_signs_out_is_out(server: Installation) -> None:
    mine = cookie(sign_in(server, code=code(server)))
    out = ask(server, "DELETE", SESSION, mine)
    assert out.status == 204
    assert "Max-Age=0" in out.headers["Set-Cookie"]
    assert ask(server, "GET", SESSION, mine).status == 401
    assert ask(server, "DELETE", SESSION, mine).status == 204


@pytest.fixture
def lasting(tmp_path: Path) -> Iterator[Installation]:
    with Installation(tmp_path) as installation:
        yield installation


def test_who_has_signed_in_still_is_after_a_restart_and_not_once_the_token_is_replaced(lasting: Installation) -> None:
    mine = cookie(sign_in(lasting, code=code(lasting)))
    lasting.restart()
    assert ask(lasting, "GET", SESSION, mine).status == 200
    for path in (lasting.root / "config" / "tokens").iterdir():
        path.unlink()
    lasting.restart()
    assert ask(lasting, "GET", SESSION, mine).status == 401


def test_the_address_of_the_command_signs_in(server: Installation) -> None:
    said = server.command("open", "--print").stdout
    url, _, text = said.split()[-1].partition("#code=")
    assert url == f"{server.url}/sign-in"
    assert sign_in(server, code=text).plain["scope"] == "user"
    viewer = server.command("open", "--print", "--read-only").stdout.partition("#code=")[2].strip()
    assert sign_in(server, code=viewer).plain["scope"] == "read"


def test_who_starts_a_server_is_told_where_its_page_is(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    try:
        said = installation.command("start").stdout
        (url,) = re.findall(r"http\S+#code=\S+", said)
        installation.url = url.partition("/sign-in")[0]
        assert sign_in(installation, code=url.partition("#code=")[2]).status == 200
    finally:
        installation.command("stop")
