"""What the encoder of the wire makes of records and of plain data."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

from covalent.errors import WireError
from covalent.status import Status
from covalent.wire import codec


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    name: str = "ü\ud800"
    nothing: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    status: Status = Status.COMPLETED
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = (Inner(name="a"), Inner(nothing=0))
    anything: Any = None
    by_name: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    pass


class Pair(NamedTuple):
    left: Any
    right: Any


@pytest.mark.parametrize(
    "value",
    [
        Outer(),
        Outer(anything=[1, (2.5, None), {"b": Inner(), "a": [Outer()]}], by_name={"z": None, "y": Inner(), "x": True}),
        [Outer(), {"k": (Inner(),)}],
        {"b": Empty(), "a": Pair(Inner(), [Empty()])},
        None, "text", 1.5, [], {},
    ],
)  # fmt: skip
def test_text_and_plain_data_are_the_same_and_leave_out_only_fields_that_are_none(value: Any) -> None:
    plain = codec.to_json(value)
    expected = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert codec.dumps(value) == expected.encode("utf-8", "surrogatepass")
    assert codec.dumps(plain) == codec.dumps(value)


def test_fields_that_are_none_are_left_out_and_items_that_are_none_are_not() -> None:
    assert codec.dumps(Outer(by_name={"x": None}, inner=Inner(name="n"), many=())) == (
        b'{"by_name":{"x":null},"inner":{"name":"n"},"many":[],"status":"COMPLETED"}'
    )


@pytest.mark.parametrize("value", [object(), Inner, {1, 2}, b"", Outer(anything=object()), [Inner]])
def test_what_has_no_form_in_json_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="has no form in JSON"):
        codec.dumps(value)


def test_numbers_that_json_does_not_know_are_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        codec.dumps(Outer(anything=math.nan))


@dataclass(frozen=True, slots=True, kw_only=True)
class Either:
    values: dict[str, str | dict[str, str] | None]


def test_what_may_be_one_of_several_is_read_by_what_it_is() -> None:
    given = {"values": {"a": "text", "b": {"secret": "name"}, "c": None}}
    assert codec.from_json(Either, given).values == given["values"]


@pytest.mark.parametrize(("value", "words"), [(1, "expected str, got int"), ({"secret": 1}, "expected str, got int")])
def test_what_is_none_of_several_is_refused(value: Any, words: str) -> None:
    with pytest.raises(WireError, match=words):
        codec.from_json(Either, {"values": {"a": value}})


def test_fields_of_a_later_version_are_ignored() -> None:
    given = {"name": "n", "since": 2, "inner": {"deeper": [None]}}
    assert codec.from_json(Inner, given) == Inner(name="n")
    assert codec.from_json(Outer, {"inner": given, "anything": given}) == Outer(inner=Inner(name="n"), anything=given)
