"""The page's files, their headers, and that they are found below a prefix."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from covalent_server.web import page
from tests.installation import Answer, Installation

INDEX = b'<!doctype html><html><head><base href="/"><title>Covalent</title></head><body></body></html>'
SCRIPT = b"export const answer = 42;\n" * 100


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("prefixed")) as installation:
        installation.restart("--url-prefix", "/some/where")
        yield installation


def get(server: Installation, path: str, **headers: str) -> Answer:
    return server.request("GET", path, token=None, headers=headers)


@pytest.mark.parametrize("prefix", ["", "/some/where"])
def test_the_interface_is_found_with_and_without_the_prefix(server: Installation, prefix: str) -> None:
    assert server.request("GET", f"{prefix}/api/v1/server").status == 200
    assert server.request("GET", f"{prefix}/healthz", token=None).status == 200
    assert server.request("GET", f"{prefix}/api/v1/server", token=None).status == 401
    assert server.request("GET", f"{prefix}/api/v1/nothing").status == 404


def test_the_cookie_and_the_address_to_sign_in_with_are_below_the_prefix(server: Installation) -> None:
    told = server.request("POST", "/api/v1/session/codes", plain={}).plain
    assert told["url"].partition("#")[0] == f"{server.url}/some/where/sign-in"
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = server.request("POST", "/api/v1/session", plain={"code": told["code"]}, token=None, headers=headers)
    assert "Path=/some/where/;" in answer.headers["Set-Cookie"] + ";"


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/assets/../index.html", "/assets/%2e%2e/__init__.py", "/%00"])
def test_no_path_leads_out_of_the_pages_files(server: Installation, path: str) -> None:
    answer = get(server, path)
    assert b"root:" not in answer.body
    assert answer.status in (200, 400, 404)
    assert b"Covalent" in answer.body or answer.status != 200


def test_another_site_may_link_to_the_page_and_ask_nothing(server: Installation) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert get(server, "/dispatches", **foreign).status in (200, 404)
    assert get(server, "/api/v1/dispatches", **foreign).status == 403
    assert server.request("GET", "/", token=None, headers={"Host": "evil.example"}).status == 421


def test_answers_that_are_no_page_cannot_be_made_one(server: Installation) -> None:
    told = server.request("GET", "/api/v1/server")
    assert told.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert told.headers["X-Content-Type-Options"] == "nosniff"
    assert told.headers["Referrer-Policy"] == "no-referrer"
    assert told.headers["Cache-Control"] == "no-store"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, page.File]:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(INDEX)
    (tmp_path / "assets" / "main-4f2a.js").write_bytes(SCRIPT)
    found: dict[str, page.File] = {}
    page._collect(tmp_path, "", "/some/where", found)
    return found


def test_files_are_known_by_name_with_their_types_and_digests(files: dict[str, page.File]) -> None:
    assert files.keys() == {"index.html", "assets/main-4f2a.js"}
    script = files["assets/main-4f2a.js"]
    assert script.content_type.startswith("text/javascript")
    assert script.compressed is not None
    assert gzip.decompress(script.compressed) == SCRIPT


def test_the_page_knows_its_prefix(files: dict[str, page.File]) -> None:
    assert b'<base href="/some/where/">' in files["index.html"].content
