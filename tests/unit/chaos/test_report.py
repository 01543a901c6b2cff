"""What stands on the page about the crash campaign is what the campaign wrote down."""

from __future__ import annotations

import json

from tests.chaos import report
from tests.chaos.checker import PROMISES
from tests.chaos.hardships import Trouble

RECORD = json.loads(report.LATEST.read_text(encoding="utf-8"))


def test_the_page_has_the_table_of_the_record() -> None:
    text = report.PAGE.read_text(encoding="utf-8")
    assert report.BEGIN in text
    assert report.END in text
    assert report.page(text, RECORD) == text


def test_another_record_gives_another_page() -> None:
    text = report.PAGE.read_text(encoding="utf-8")
    assert report.page(text, RECORD | {"faults": dict.fromkeys(PROMISES, 1)}) != text


def test_the_record_is_of_a_whole_campaign_that_found_nothing() -> None:
    assert sum(RECORD["kills"].values()) >= 1000
    assert RECORD["faults"] == dict.fromkeys(PROMISES, 0)
    assert RECORD["troubles"].keys() >= set(Trouble)
    assert all(RECORD["points"].values())
    assert not RECORD["modified"]
