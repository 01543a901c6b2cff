"""What is printed is text and nothing that a terminal would obey."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covalent.commands import output

HOSTILE = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \r\x9b2J\u202etxt\x00"


def test_escape_sequences_are_shown_and_not_sent() -> None:
    assert output.plain(HOSTILE) == r"\x1b[31mred\x1b[0m \x1b]0;title\x07 \r\x9b2J\u202etxt\x00"


def test_ordinary_text_of_any_script_stays_as_it_is() -> None:
    text = "größer\n\t日本語\u3000 ∑ 🙂\u00a0x"
    assert output.plain(text) == text


@given(st.text())
def test_nothing_else_moves_the_cursor(text: str) -> None:
    shown = output.plain(text)
    assert not [letter for letter in shown if ord(letter) < 32 and letter not in "\n\t"]
    assert not [letter for letter in shown if 0x7F <= ord(letter) < 0xA0]


def test_cells_are_one_short_line() -> None:
    lines = output.table([("a", "b"), ("one\ntwo", "\x1b[1m" + "x" * 100), ("three", "  four\n")]).splitlines()
    assert lines[0] == "a      b"
    assert lines[1].startswith(r"one…   \x1b[1mxxx")
    assert lines[1].endswith("x…")
    assert max(map(len, lines)) < 80
    assert lines[2] == "three  four"


def test_json_is_one_line_of_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    output.show("", {"text": HOSTILE + "é"}, as_json=True)
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert "\x1b" not in printed
    assert printed.startswith('{"schema_version": 1, ')
