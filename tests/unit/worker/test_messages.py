"""Error texts that can be sent anywhere."""

from __future__ import annotations

import pytest

from covalent.worker.messages import ERROR_BYTES, sendable


@pytest.mark.parametrize(
    ("text", "sent"),
    [("plain €\n", "plain €\n"), ("bad \ud800 name", "bad \\ud800 name"), ("a\0b", "a\ufffdb"), ("", "")],
)
def test_what_no_database_takes_is_written_otherwise(text: str, sent: str) -> None:
    assert sendable(text) == sent


def test_of_a_long_text_both_ends_are_kept_and_the_rest_is_counted() -> None:
    sent = sendable("€" * 30_000 + "x" * 10_000 + "the end")
    assert len(sent.encode()) <= ERROR_BYTES
    assert sent.startswith("€€")
    assert sent.endswith("xthe end")
    assert "bytes cut]" in sent


@pytest.mark.parametrize("text", ["\ud800", "\0" * ERROR_BYTES, "€" * ERROR_BYTES])
def test_what_can_be_sent_stays_as_it_is(text: str) -> None:
    assert sendable(sendable(text)) == sendable(text)
