from __future__ import annotations

import collections
import json
import math
import threading
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covalent.transportable import preview


class Raising:
    def __str__(self) -> str:
        raise ValueError("no")


class Dawdling:
    def __init__(self) -> None:
        self.over = threading.Event()

    def __str__(self) -> str:
        self.over.wait(60)
        return "late"


class Shown:
    def __repr__(self) -> str:
        return "Shown!"


class Silent:
    pass


class Point(NamedTuple):
    x: Any
    y: Any


@dataclass
class Record:
    name: str
    items: list[Any]


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -2.5, 1j, "text", b"bytes", bytearray(b"x"), range(3), ..., [], [1, "a", None], (), (1,), (1, 2),
        {}, {"a": [1, (2, {"b": b"c"})]}, set(), {1}, frozenset(), frozenset({"a"}), slice(1, 2),
        Point(1, [2]), Record("a", [1, 2]), [Shown()],
    ],
)  # fmt: skip
def test_small_values_read_as_python_writes_them(value: object) -> None:
    expected = {frozenset(): "frozenset({})"}.get(value, str(value)) if isinstance(value, frozenset) else str(value)
    assert preview.text(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        list(range(10**6)),
        dict.fromkeys(range(10**6)),
        "x" * 10**7,
        b"x" * 10**7,
        ["y" * 10**7] * 10,
        Point([0] * 10**6, 1),
        Record("n", [0] * 10**6),
        collections.OrderedDict.fromkeys(range(10**6)),
        collections.deque(range(10**4)),
        10**100_000,
        [10**100_000],
    ],
    ids=lambda value: type(value).__name__,
)
def test_texts_of_large_values_are_cut(value: object) -> None:
    assert len(preview.text(value)) <= preview.MAX_CHARACTERS + 1


def test_a_cycle_and_a_deep_nesting_end() -> None:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    assert "…" in preview.text(cycle)
    assert "…" in preview.text(deep)


def test_a_raising_text_is_noted() -> None:
    assert "raised ValueError" in preview.text(Raising())


def test_a_dawdling_text_is_given_up() -> None:
    value = Dawdling()
    assert "took more than" in preview.text(value)
    value.over.set()


def test_foreign_objects_inside_containers_are_shown_by_their_repr() -> None:
    assert preview.text({"a": (Shown(), 1)}) == "{'a': (Shown!, 1)}"


def test_objects_without_a_text_of_their_own_are_named_without_an_address() -> None:
    assert preview.text(Silent()) == f"<{__name__}.Silent object>"
    assert preview.text(lambda: 1).startswith("<function ")


def test_arrays_show_numpys_summary() -> None:
    assert preview.text(np.arange(10**6)) == "[     0      1      2 ... 999997 999998 999999]"


def test_texts_hold_neither_nul_nor_lone_surrogates() -> None:
    assert preview.text("a\0b\ud800c\n") == "a\\x00b\\ud800c\n"


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.sets(st.integers())
    ),
    max_leaves=20,
)


@given(values)
def test_json_is_given_exactly_when_it_reads_back_as_the_same_value(value: object) -> None:
    written = preview.exact_json(value)
    if written is not None:
        back = json.loads(written)
        assert repr(back) == repr(value)


@given(values)
def test_every_value_has_a_bounded_text_that_databases_take(value: object) -> None:
    text = preview.text(value)
    assert len(text) <= preview.MAX_CHARACTERS * 4
    assert "\0" not in text
    text.encode("utf-8")


class Text(str):
    __slots__ = ()


shared: list[int] = []


@pytest.mark.parametrize(
    "value",
    [
        (1, 2), {1: 2}, math.nan, math.inf, 2**63, -(2**63) - 1, Text("a"), {"a": (1,)}, {Text("a"): 1},
        [shared, shared], list(range(2000)), "x" * 5000, "a\0", "\ud800", {"\ud800": 1}, b"", 1j, {1}, ["x" * 3000] * 3,
    ],
)  # fmt: skip
def test_what_json_cannot_say_exactly_has_none(value: object) -> None:
    assert preview.exact_json(value) is None


@pytest.mark.parametrize("value", [None, True, 1, -0.0, 1e300, 2**63 - 1, "ü", [], {}, {"a": [1, None, {"b": 1.5}]}])
def test_plain_values_are_json(value: object) -> None:
    written = preview.exact_json(value)
    assert written is not None
    assert repr(json.loads(written)) == repr(value)
