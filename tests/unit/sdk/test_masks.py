"""What is hidden in a text, and what stays."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covalent.masks import SHORTEST, Masks

_VALUES = st.text(st.characters(codec="utf-8"), min_size=SHORTEST, max_size=40)


@given(value=_VALUES, before=st.text(), after=st.text())
def test_a_value_is_hidden_and_no_byte_moves(value: str, before: str, after: str) -> None:
    data = f"{before}{value}{after}".encode("utf-8", "surrogatepass")
    hidden = Masks([value]).hidden(data)
    assert len(hidden) == len(data)
    assert value.encode() not in hidden or set(value) == {"*"}


@pytest.mark.parametrize("write", [repr, json.dumps, quote, quote_plus, lambda text: quote(text, safe="")])
def test_a_value_is_hidden_however_it_is_written(write: object) -> None:
    value = "a'b\"c\\d é/ &?\n-and-on"
    assert callable(write)
    text = f"<{write(value)}>"
    hidden = Masks([value]).text(text)
    assert hidden.strip("<>'\"").strip("*") == ""
    assert hidden[0] + hidden[-1] == "<>"


def test_of_two_values_that_overlap_both_are_hidden() -> None:
    assert Masks(["abcdefgh", "efghijkl"]).text("<abcdefghijkl>") == "<************>"


def test_of_two_values_that_begin_alike_the_longer_one_is_hidden() -> None:
    assert Masks(["abcdefgh", "abcdefghijkl"]).text("<abcdefghijkl>") == "<************>"


def test_each_long_line_of_a_value_is_hidden_by_itself() -> None:
    masks = Masks(["-----BEGIN-----\nMIIEowIBAAKCAQEA\nend\n"])
    assert masks.text("log: MIIEowIBAAKCAQEA!") == f"log: {'*' * 16}!"
    assert masks.text("the end") == "the end"


def test_where_a_text_was_cut_the_beginning_of_a_value_is_hidden() -> None:
    masks = Masks(["abcdefgh"])
    assert masks.text("it is abcdef…") == "it is ******…"
    assert masks.text("it is abcdef") == "it is ******"
    assert masks.text("it is abc") == "it is abc"


def test_without_values_everything_stays() -> None:
    masks = Masks()
    assert not masks
    assert masks.longest == 0
    assert masks.text("abc") == "abc"
    assert masks.hidden(b"abc") == b"abc"
    assert masks.begun(b"abc") == 0
    assert not masks.find(b"abc")
