"""What templates stand for, whoever evaluates them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from covalent.inputs import InputPathError, Inputs

OUTPUTS: dict[int, Any] = {0: {"a": [1, 2]}, 1: SimpleNamespace(name="it", pair=(3, 4)), 2: "a"}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ({"value": 5}, 5),
        ({"asset": "digest"}, "what digest holds"),
        ({"node": 2}, "a"),
        ({"node": 0, "path": [["item", "a"], ["item", -1]]}, 2),
        ({"node": 0, "path": [["item", {"node": 2}]]}, [1, 2]),
        ({"node": 1, "path": [["attr", "name"]]}, "it"),
        ({"node": 1, "path": [["attr", "pair"], ["unpack", 1, 2]]}, 4),
        ({"list": [{"value": 1}, {"tuple": [{"node": 2}]}]}, [1, ("a",)]),
        ({"set": [{"value": 1}]}, {1}),
        ({"frozenset": [{"value": 1}]}, frozenset({1})),
        ({"dict": [[{"node": 2}, {"value": 1}]]}, {"a": 1}),
    ],
)
def test_a_template_stands_for_a_value(template: dict[str, Any], value: Any) -> None:
    made = Inputs(OUTPUTS.__getitem__, lambda digest: f"what {digest} holds").value(template)
    assert made == value
    assert type(made) is type(value)


def test_an_output_that_is_used_twice_is_opened_once() -> None:
    opened: list[int] = []

    def open_output(node: int) -> list[int]:
        opened.append(node)
        return [node]

    first, second = Inputs(open_output, str).value({"list": [{"node": 3}, {"node": 3}]})
    assert first is second
    assert opened == [3]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ([["item", "b"]], r"node 0 gave no \['b'\], but a value of type dict: KeyError"),
        ([["item", "a"], ["attr", "size"]], r"node 0 gave no \['a'\]\.size, but a value of type list: AttributeError"),
        ([["item", {"asset": "1:3"}]], r"node 0 gave no \['1:3'\], but"),
        ([["item", {"node": 17}]], r"node 0 gave no \[\.\.\.\], but a value of type dict: KeyError: 17"),
        ([["item", "a"], ["unpack", 0, 3]], "expected 3 values to unpack, got 2"),
        ([["item", "a"], ["unpack", 0, 1]], "expected 1 values to unpack, got more"),
        ([["call"]], "a newer covalent-sdk is needed"),
    ],
)
def test_what_is_not_there_is_told_with_the_node_and_the_path(path: list[list[Any]], message: str) -> None:
    with pytest.raises(InputPathError, match=message):
        Inputs(OUTPUTS.__getitem__, str).value({"node": 0, "path": path})
