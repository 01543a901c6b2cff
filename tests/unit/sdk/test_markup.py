from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covalent import markup

#: Halves of surrogate pairs and control characters too.
anything = st.text(st.characters())


@given(text=anything)
def test_escaped_text_is_read_back_from_xml_as_it_can_be_shown(text: str) -> None:
    escaped = markup.escaped(text)
    element = ET.fromstring(f'<p a="{escaped}">{escaped}</p>')  # noqa: S314  what is tested is that it is harmless
    assert element.text == (markup.readable(text).replace("\r\n", "\n").replace("\r", "\n") or None)
    assert list(element) == []
    escaped.encode()


@pytest.mark.parametrize("mark", ["\0", "\x1b", "\x7f", "\x9b", "\ud800", "\ufffe", "\u202e", "\u2066"])
def test_what_xml_or_the_eye_cannot_bear_is_replaced(mark: str) -> None:
    assert markup.readable(f"a{mark}b") == "a\ufffdb"


def test_lines_and_letters_of_all_scripts_stay() -> None:
    text = "grüße\n\tжизнь 数据 🙂"
    assert markup.readable(text) == text


@given(text=anything, room=st.integers(0, 40))
def test_cut_text_is_one_line_that_fits(text: str, room: int) -> None:
    cut = markup.cut(text, room)
    assert "\n" not in cut
    assert markup.columns(cut) <= max(room, 1)


def test_only_what_does_not_fit_is_cut() -> None:
    assert markup.cut("twelve chars", 12) == "twelve chars"
    assert markup.cut("thirteen char", 12) == "thirteen ch…"
    assert markup.cut("数据处理", 8) == "数据处理"
    assert markup.cut("数据处理", 7) == "数据处…"


def test_a_card_has_a_row_for_all_that_there_is_to_say() -> None:
    card = ET.fromstring(markup.card("A <title>", {"one": 0, "two": None, "three": "", "<four>": "x & y"}))  # noqa: S314
    assert [cell.text for cell in card.iter("th")] == ["one", "<four>"]
    assert [cell.text for cell in card.iter("td")] == ["0", "x & y"]
    assert card.findtext("strong") == "A <title>"


@pytest.mark.parametrize("text", ["a\nb\nc\nd", "x" * 201])
def test_long_text_is_folded_below_its_beginning(text: str) -> None:
    card = ET.fromstring(markup.card("title", {"error": text}))  # noqa: S314  ours
    assert card.findtext(".//pre") == text
    summary = card.findtext(".//summary")
    assert summary is not None
    assert text.startswith(summary.removesuffix("…"))


def test_three_short_lines_are_not_folded() -> None:
    assert "<details>" not in markup.card("title", {"error": "a\nb\nc"})


def test_a_card_stays_small_whatever_it_is_told() -> None:
    assert len(markup.card("title", {"error": "x" * 10_000_000})) < 20_000
