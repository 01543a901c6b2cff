"""What a server answers is what its OpenAPI document says."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # its types are a package of their own

from tests import builders
from tests.installation import Installation

#: Answers that need something that a server without workers does not have.
UNANSWERED = {"/api/v1/events/stream"}


@pytest.fixture(scope="module")
def document(server: Installation) -> Any:
    return server.request("GET", "/api/v1/openapi.json").plain


@pytest.fixture(scope="module")
def names(server: Installation) -> dict[str, str]:
    value = builders.asset(1)
    octets = {"Content-Type": "application/octet-stream"}
    for item in (value, builders.FUNCTION):
        server.request("PUT", f"/api/v1/assets/{builders.digest(item)}", item, headers=octets)
    node = builders.node(0, {"asset": builders.digest(value)})
    sent = builders.text(builders.manifest([node, builders.node(1, builders.take(0))]))
    told = server.request("POST", "/api/v1/dispatches", sent).plain
    return {"id": told["dispatch_id"], "node": "0", "digest": builders.digest(value), "stream": "stdout"}


def test_every_json_answer_is_as_described(server: Installation, document: Any, names: dict[str, str]) -> None:
    checked = []
    for path, methods in document["paths"].items():
        operation = methods.get("get")
        schema = operation and operation["responses"].get("200", {}).get("content", {}).get("application/json")
        if not schema or not schema["schema"] or path in UNANSWERED:
            continue
        query = "?text=x" if path.endswith("/search") else ""
        answer = server.request("GET", path.format(**names) + query)
        assert answer.status == 200, (path, answer.body)
        validator = Draft202012Validator({**schema["schema"], "components": document["components"]})
        assert [error.message for error in validator.iter_errors(answer.plain)] == [], path
        checked.append(path)
    assert len(checked) > 20


def test_every_refusal_is_a_problem(server: Installation, document: Any) -> None:
    schema = document["components"]["schemas"]["Problem"]
    for path in ("/api/v1/dispatches/none", "/api/v1/nothing", "/api/v1/dispatches?status=none"):
        assert list(Draft202012Validator(schema).iter_errors(server.request("GET", path).plain)) == []
