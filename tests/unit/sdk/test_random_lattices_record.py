"""The record of the last campaign shows that something was shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.installation import Installation
from tests.random_lattices.campaign import LATEST, properties, written
from tests.random_lattices.generation import EVERYTHING


def test_the_record_counts_everything_that_a_program_may_be_made_of(tmp_path: Path) -> None:
    record = json.loads(LATEST.read_text(encoding="utf-8"))
    assert not record["modified"]
    assert record["properties"].keys() == properties(Installation(tmp_path), tmp_path).keys()
    seen = [tried["seen"] for tried in record["properties"].values()]
    assert all(counts["program"] >= 2400 for counts in seen)
    assert {name for counts in seen for name in counts} >= EVERYTHING
    assert all(count for counts in seen for count in counts.values())


def test_a_campaign_that_never_saw_something_says_so_and_leaves_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    before = LATEST.read_bytes()
    assert written({}, EVERYTHING - {"wait", "replay"}) == 1
    assert "never in any program, so that nothing was shown of it: replay, wait" in capsys.readouterr().err
    assert LATEST.read_bytes() == before
