"""The OpenAPI document says what the router has, no less and no more; the committed one is this one.

``python -m tests.unit.server.test_openapi > docs/reference/openapi.json`` writes it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from covalent_server.web.app import ROUTES
from covalent_server.web.contents import CONTENTS
from covalent_server.web.openapi import document, path_of
from covalent_server.web.routing import Scope
from tests.architecture.tree import ROOT

COMMITTED = ROOT / "docs" / "reference" / "openapi.json"


def written() -> str:
    return json.dumps(document(ROUTES), indent=1, ensure_ascii=False) + "\n"


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document(ROUTES)["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_every_route_is_in_the_document_and_nothing_else() -> None:
    routes = sorted((route.method, path_of(route)) for route in ROUTES)
    assert sorted((method, path) for method, path, _ in operations()) == routes
    assert sorted(CONTENTS) == routes


def test_the_committed_document_is_that_of_the_code() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == written(), "python -m tests.unit.server.test_openapi writes it"


def test_every_operation_has_a_name_of_its_own_and_a_sentence() -> None:
    found = [operation for _, _, operation in operations()]
    assert len({operation["operationId"] for operation in found}) == len(found)
    assert all(operation["summary"].endswith(".") for operation in found)


def test_who_may_call_is_told() -> None:
    told = {(method, path): operation["security"] for method, path, operation in operations()}
    for route in ROUTES:
        assert bool(told[route.method, path_of(route)]) == (route.scope not in (Scope.ANYONE, Scope.STRANGER))


def test_every_reference_leads_somewhere() -> None:
    whole = document(ROUTES)
    stack: list[Any] = [whole]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if "$ref" in item:
                assert item["$ref"].removeprefix("#/components/schemas/") in whole["components"]["schemas"]
            stack += item.values()
        elif isinstance(item, list):
            stack += item


def test_lists_that_grow_have_cursors() -> None:
    for _, path, operation in operations():
        asked = {item["name"] for item in operation.get("parameters", ())}
        if path in ("/api/v1/dispatches", "/api/v1/dispatches/{id}/nodes") and operation["tags"] == ["dispatches"]:
            assert ("cursor" in asked) == ("limit" in asked)


if __name__ == "__main__":
    sys.stdout.write(written())
