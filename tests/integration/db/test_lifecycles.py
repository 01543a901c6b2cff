"""The database does what a model says that was written from the rules, whether it is told of much at once or not."""

from __future__ import annotations

import json

import pytest

from covalent_server.core.states import TRANSITIONS, NodeState
from tests.lifecycles.campaign import LATEST, PROPERTIES, SOME, in_databases, written
from tests.lifecycles.visits import EVERYTHING, missing, way


def test_the_database_moves_as_the_model_says_told_singly_or_of_much_at_once() -> None:
    assert in_databases(SOME)


def test_the_record_shows_that_every_state_and_every_transition_was_visited() -> None:
    record = json.loads(LATEST.read_text(encoding="utf-8"))
    assert not record["modified"]
    assert record["properties"].keys() == PROPERTIES.keys()
    assert missing(record["properties"]) == []
    assert {*NodeState, *(way(before, after) for before in NodeState for after in TRANSITIONS[before])} <= EVERYTHING


def test_a_campaign_that_never_went_some_way_says_so_and_leaves_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    before = LATEST.read_bytes()
    visits = dict.fromkeys(EVERYTHING, 1) | {"RUNNING → DELAYED": 0}
    assert written({"properties": {name: {"visits": visits} for name in PROPERTIES}}) == 1
    assert "RUNNING → DELAYED" in capsys.readouterr().err
    assert LATEST.read_bytes() == before
