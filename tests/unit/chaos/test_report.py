"""What stands on the page about the crash campaigns is what they wrote down."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.chaos import points, report
from tests.chaos.checker import PROMISES
from tests.chaos.hardships import Trouble

RECORDS: Final = {database: json.loads(path.read_text(encoding="utf-8")) for database, path in report.LATEST.items()}
#: A whole campaign, and a sample.
KILLS: Final = {points.SQLITE: 1000, points.POSTGRESQL: 250}
on_each: Final = pytest.mark.parametrize(("database", "record"), RECORDS.items(), ids=list(RECORDS))


@on_each
def test_the_page_has_the_table_of_the_record(database: str, record: dict[str, Any]) -> None:
    text = report.PAGE.read_text(encoding="utf-8")
    assert report.BEGIN[database] in text
    assert report.END in text.partition(report.BEGIN[database])[2]
    assert report.page(text, database, record) == text


@on_each
def test_another_record_gives_another_page(database: str, record: dict[str, Any]) -> None:
    text = report.PAGE.read_text(encoding="utf-8")
    assert report.page(text, database, record | {"faults": dict.fromkeys(PROMISES, 1)}) != text


def test_points_that_nobody_came_to_are_told() -> None:
    record = RECORDS[points.SQLITE]
    told = report.table(record | {"points left": ["one", "another"]})
    assert "| such points that nobody came to in this campaign | 2 |" in told
    assert "nobody came to" not in report.table(record | {"points left": []})


@on_each
def test_the_record_is_of_a_campaign_that_found_nothing(database: str, record: dict[str, Any]) -> None:
    assert sum(record["kills"].values()) >= KILLS[database]
    assert record["faults"] == dict.fromkeys(PROMISES, 0)
    assert all(record["points"].values())
    assert not record["modified"]


def test_whatever_can_happen_has_happened() -> None:
    assert RECORDS[points.SQLITE]["troubles"].keys() >= set(Trouble) - {Trouble.CRASHED}
    assert Trouble.CRASHED in RECORDS[points.POSTGRESQL]["troubles"]
    assert any(map(points.is_of_postgresql, RECORDS[points.POSTGRESQL]["points"]))
