from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from benchmarks import report
from benchmarks.report import MEASURES, OURS, PEER


@pytest.fixture
def record() -> dict[str, Any]:
    return report.latest()


def test_the_pages_figures_are_those_of_the_committed_samples(record: dict[str, Any]) -> None:
    text = report.PAGE.read_text(encoding="utf-8")
    assert report.page(text, record) == text, "run: python -m benchmarks.report"


def test_no_measured_figure_stands_outside_the_generated_table() -> None:
    text = report.PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(report.BEGIN)
    prose = before + rest.partition(report.END)[2]
    assert re.findall(r"\d[\d.,]*\s?(?:ms|s|MB|tasks/s|times|x)\b", prose) == ["50 MB"]


def test_the_samples_of_record_are_of_a_whole_run(record: dict[str, Any]) -> None:
    assert not record["quick"]
    assert re.fullmatch(r"[0-9a-f]{40}", record["commit"])
    for measure in MEASURES:
        assert report.samples(record, OURS, measure.key)
    assert len(record["rounds"][OURS]) == len(record["rounds"][PEER])


def test_another_sample_gives_another_page(record: dict[str, Any]) -> None:
    changed = copy.deepcopy(record)
    for samples in changed["rounds"][OURS]:
        samples["one_task_ms"] = [value + 100 for value in samples["one_task_ms"]]
    text = report.PAGE.read_text(encoding="utf-8")
    assert report.page(text, changed) != text


def test_a_page_without_a_place_for_the_table_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must hold the lines"):
        report.page("# How fast it is\n", record)


def small(**samples: list[float]) -> dict[str, Any]:
    """A record in which all that matters are the samples of ours, in one round."""
    every = {measure.key: [measure.target or 1.0] for measure in MEASURES} | samples
    return {"rounds": {OURS: [every], PEER: [{}]}}


def test_a_target_is_missed_by_the_median_in_its_own_direction() -> None:
    assert report.missed(small()) == []
    assert report.missed(small(one_task_ms=[1.0, 2.0, 900.0])) == []
    assert len(report.missed(small(one_task_ms=[26.0]))) == 1
    assert len(report.missed(small(fan_out_1000_per_s=[799.0]))) == 1
    assert report.missed(small(fan_out_1000_per_s=[9000.0])) == []


def test_growing_memory_is_judged_by_the_worst_sample() -> None:
    assert len(report.missed(small(large_value_growth_mb=[0.0, 0.0, 5.1]))) == 1


def test_a_ratio_above_one_says_that_ours_is_better() -> None:
    record = small(one_task_ms=[10.0], fan_out_1000_per_s=[900.0])
    record["rounds"][PEER] = [{"one_task_ms": [20.0], "fan_out_1000_per_s": [300.0], "large_value_growth_mb": [1.0]}]
    ratios = {row[1]: row[5] for row in report.rows(record)[2:]}
    assert ratios["one task, dispatch to value, ms"] == "2.00x"
    assert ratios["1,000 tasks into one, tasks/s"] == "3.00x"
    assert ratios["growth of the server's memory by it, at its peak, MB"] == ""


def test_the_record_is_plain_json() -> None:
    assert json.loads(report.LATEST.read_text(encoding="utf-8"))["format"] == 1
