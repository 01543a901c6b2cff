from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from benchmarks import plot, report
from benchmarks.measures import MEASURES, OURS, missed, samples
from benchmarks.peers import PEERS


@pytest.fixture
def record() -> dict[str, Any]:
    return report.latest()


def test_the_pages_figures_and_the_picture_are_those_of_the_committed_samples(record: dict[str, Any]) -> None:
    text = report.PAGE.read_text(encoding="utf-8")
    assert report.page(text, record) == text, "run: python -m benchmarks.report"
    assert report.PLOT.read_text(encoding="utf-8") == report.picture(record), "run: python -m benchmarks.report"


def test_no_measured_figure_stands_outside_the_generated_table() -> None:
    text = report.PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(report.BEGIN)
    prose = before + rest.partition(report.END)[2]
    assert re.findall(r"\d[\d.,]*\s?(?:ms|s|MB|tasks/s|times|x)\b", prose) == ["50 MB"]


def test_the_samples_of_record_are_of_a_whole_run(record: dict[str, Any]) -> None:
    assert not record["quick"]
    assert re.fullmatch(r"[0-9a-f]{40}", record["commit"])
    rounds = {len(rounds) for rounds in record["rounds"].values()}
    assert len(rounds) == 1, "every system was measured in every round"
    assert set(record["rounds"]) <= {OURS, *(peer.name for peer in PEERS)}


def test_another_sample_gives_another_page_and_another_picture(record: dict[str, Any]) -> None:
    changed = copy.deepcopy(record)
    for one in changed["rounds"][OURS]:
        one["one_task_ms"] = [value + 100 for value in one["one_task_ms"]]
    text = report.PAGE.read_text(encoding="utf-8")
    assert report.page(text, changed) != text
    assert report.picture(changed) != report.picture(record)


def test_a_page_without_a_place_for_the_table_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must hold the lines"):
        report.page("# How fast it is\n", record)


def small(**given: list[float]) -> dict[str, Any]:
    """A record in which all that matters are the samples of ours, in one round."""
    every = {measure.key: [measure.goal or 0.0] for measure in MEASURES}
    every |= {"mesh_1000_per_s": [3000.0], "mesh_100000_per_s": [2500.0]} | given
    return {"rounds": {OURS: [every]}, "client_mb": {"covalent-sdk": 1.0}, "missing": {}, "failures": {}}


def test_a_goal_is_missed_by_the_median_in_its_own_direction() -> None:
    assert missed(small()) == []
    assert missed(small(one_task_ms=[1.0, 2.0, 900.0])) == []
    assert len(missed(small(one_task_ms=[26.0]))) == 1
    assert len(missed(small(fan_out_1000_per_s=[799.0]))) == 1
    assert missed(small(fan_out_1000_per_s=[9000.0])) == []


def test_growing_memory_and_errors_are_judged_by_the_worst_sample() -> None:
    assert len(missed(small(large_value_growth_mb=[0.0, 0.0, 5.1]))) == 1
    assert missed(small(clients_errors=[0.0, 0.0, 1.0])) == ["W8 errors: 1 in all, goal <= 0"]


def test_what_is_made_of_other_samples_is_judged_too() -> None:
    worse = small(mesh_1000_per_s=[3000.0, 3000.0], mesh_100000_per_s=[1500.0])
    assert samples(worse, OURS, "mesh_kept") == [0.5]
    assert missed(worse) == ["W5 100,000 nodes to 1,000: 0.500 x, goal >= 0.8"]
    worse["rounds"]["ray"] = [{"fan_out_1000_per_s": [2500.0]}]
    assert samples(worse, OURS, "fan_out_over_ray") == [1.0]
    assert samples(worse, OURS, "fan_out_over_dask") == []


def test_a_ratio_above_one_says_that_ours_is_better() -> None:
    record = small(one_task_ms=[10.0], fan_out_1000_per_s=[900.0])
    record["rounds"]["dask"] = [{"one_task_ms": [20.0], "large_value_growth_mb": [1.0]}]
    record["rounds"]["ray"] = [{"one_task_ms": [5.0], "fan_out_1000_per_s": [300.0]}]
    rows = {row[1]: row[2:] for row in report.beside_rows(record)[1:]}
    assert rows["on disk before the caller gets the value"] == ("yes", "no", "no")
    assert rows["one task, dispatch to value, ms"] == ("10", "20 (2x)", "5 (0.500x)")
    assert rows["1,000 tasks into one, tasks/s"] == ("900", "", "300 (3x)")
    assert rows["growth of the server's memory by it, MB"] == ("5", "1", "")


def test_the_picture_shows_every_system_that_has_samples() -> None:
    record = small(one_task_ms=[1.0, 10.0, 100.0])
    record["rounds"] |= {"dask": [{"one_task_ms": [4.0]}], "ray": [{}]}
    root = ET.fromstring(  # noqa: S314  our own text
        plot.drawn(record, [(OURS, "Covalent"), ("dask", "Dask & others"), ("ray", "Ray")])
    )
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "Dask & others" in texts
    assert "Ray" not in texts
    first = next(root.iter("{http://www.w3.org/2000/svg}line"))
    middle = next(root.iter("{http://www.w3.org/2000/svg}circle"))
    assert float(middle.attrib["cx"]) * 2 == pytest.approx(float(first.attrib["x1"]) + float(first.attrib["x2"]))
