from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from benchmarks import costs, costs_report


@pytest.fixture
def record() -> dict[str, Any]:
    return costs_report.latest()


def test_the_pages_figures_are_those_of_the_committed_profile(record: dict[str, Any]) -> None:
    text = costs_report.PAGE.read_text(encoding="utf-8")
    assert costs_report.page(text, record) == text, "run: python -m benchmarks.costs_report"


def test_no_measured_figure_stands_outside_the_generated_table() -> None:
    text = costs_report.PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(costs_report.BEGIN)
    prose = before + rest.partition(costs_report.END)[2]
    assert re.findall(r"\d[\d.,]*\s?(?:ms|us|µs|s|MB|%|tasks/s|microseconds|times|x)\b", prose) == []


def test_every_part_has_used_time_in_every_workload_of_record(record: dict[str, Any]) -> None:
    assert set(record["loads"]) == set(costs.LOADS)
    for load in record["loads"].values():
        assert len(load["microseconds"]) == 7
        assert all(value > 0 for value in load["microseconds"].values())


def test_the_table_adds_the_parts_up_and_shares_them_out(record: dict[str, Any]) -> None:
    changed = copy.deepcopy(record)
    changed["machine"]["cores"] = 4
    for load in changed["loads"].values():
        load["microseconds"] = {"one": 1500.0, "another": 500.0}
    table = costs_report.table(changed)
    assert "| **all of them** | **2,000** | **2,000** | **2,000** |" in table
    assert "| shared by 4 processors | 500 | 500 | 500 |" in table


def test_a_part_of_a_workload_is_less_than_all_of_it() -> None:
    for load in costs.LOADS.values():
        assert 0 < load.tasks_of_part < load.tasks
        assert load.all != load.part


def test_a_page_without_a_place_for_the_table_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must hold the lines"):
        costs_report.page("# Where the time goes\n", record)
