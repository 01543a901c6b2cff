"""Triggers as a user declares them: what is refused, what travels, and what a lattice keeps of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import given
from hypothesis import strategies as st

import covalent as ct
from covalent import hydration
from covalent.observer import Seen, observe
from covalent.triggers import CronTrigger, DirTrigger, TimeTrigger, crontab
from covalent.triggers.declared import Trigger, from_dict
from covalent.wire.places import host_identity
from covalent.wire.triggers import Change, Clock, Timetable


@ct.electron
def task(x: int) -> int:
    return x


def workflow(x: int) -> Any:
    return task(x)


def directory(tmp_path: Path, **changes: Any) -> DirTrigger:
    return DirTrigger(**({"dir_path": str(tmp_path), "event_names": "created"} | changes))


@pytest.mark.parametrize("gap", [0, -1, -0.5, float("nan"), float("inf"), 1e10])
def test_a_gap_that_cannot_be_waited_for_is_a_value_error(gap: float) -> None:
    with pytest.raises(ValueError, match=r"time_gap is a number of seconds from 0.1 to 1e\+09, not"):
        TimeTrigger(gap)


@pytest.mark.parametrize("gap", ["60", None, True, [60]])
def test_a_gap_that_is_no_number_is_a_type_error(gap: Any) -> None:
    with pytest.raises(TypeError, match="time_gap is a number of seconds"):
        TimeTrigger(gap)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("* * * *", "has 4 fields; an expression has five: minute, hour, day of the month, month, day of the week"),
        ("0 * * * * *", "has 6 fields"),
        ("@daily", "has 1 fields"),
        ("60 * * * *", "in the field for the minute, '60' is not a number from 0 to 59"),
        ("* 5-25 * * *", "in the field for the hour, '25'"),
        ("* * 0 * *", "in the field for the day of the month, '0'"),
        ("* * * FOO *", "in the field for the month, 'FOO' is not a number from 1 to 12 or one of JAN"),
        ("* * * * 8", "in the field for the day of the week, '8'"),
        ("*/0 * * * *", "'0' is no step"),
        ("30-10 * * * *", "'30-10' ends before it begins"),
        ("1,,2 * * * *", "'' is not a number"),
    ],
)
def test_what_is_wrong_with_a_cron_expression_is_told_by_its_field(expression: str, said: str) -> None:
    with pytest.raises(ValueError, match="cron=") as caught:
        CronTrigger(expression, "UTC")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "expression",
    [
        "* * * * *",
        "*/15 9-17 * * MON-FRI",
        "0 0 1,15 * *",
        "0 12 L * *",
        "0 12 LW 1-12/3 *",
        "0 0 * JAN sun#2",
        "5 4 * * 5L",
    ],
)
def test_what_cron_understands_is_taken(expression: str) -> None:
    assert CronTrigger(expression, "Europe/Berlin").prepared().record.timetable == Timetable(
        expression=expression, timezone="Europe/Berlin"
    )


_terms = st.text(alphabet="0123456789*/-,#LWMONJANSU", max_size=7)


@given(st.lists(st.one_of(_terms, st.just("*")), min_size=5, max_size=5))
def test_client_and_server_agree_on_what_a_cron_expression_is(fields: list[str]) -> None:
    expression = " ".join(fields)

    def refused(check: Callable[[], object]) -> bool:
        try:
            check()
        except (ValueError, CronSimError):
            return True
        return False

    mine = refused(lambda: crontab.check(expression))
    servers = refused(lambda: CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)))
    # A day that no month has, the 30th of February, is told by the server.
    assert mine == servers or (servers and fields[2] != "*")


def test_a_time_zone_that_nobody_knows_is_a_value_error_with_what_was_meant() -> None:
    with pytest.raises(ValueError, match=r"timezone='Europe/Berlim' is no time zone; did you mean 'Europe/Berlin'\?"):
        CronTrigger("* * * * *", "Europe/Berlim")
    with pytest.raises(ValueError, match="write one such as"):
        CronTrigger("* * * * *", "")
    nothing: Any = None
    with pytest.raises(TypeError, match="the name of a time zone"):
        CronTrigger("* * * * *", nothing)
    with pytest.raises(TypeError, match="cron is an expression"):
        CronTrigger(nothing, "UTC")


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"dir_path": "data"}, ValueError, "'data' is relative"),
        ({"dir_path": "/no/such/directory"}, ValueError, "is not there on this machine; make it first"),
        ({"dir_path": __file__}, ValueError, "is no directory"),
        ({"dir_path": 5}, TypeError, "dir_path is the path of a directory"),
        ({"event_names": []}, TypeError, "event_names is one or several of created, modified, deleted, moved, closed"),
        ({"event_names": None}, TypeError, "event_names is one or several"),
        ({"event_names": ["created", "opened"]}, ValueError, "'opened' in event_names is nothing that can happen"),
        ({"event_names": [["created"]]}, ValueError, "nothing that can happen"),
        ({"batch_size": 0}, ValueError, "batch_size is a number of changes from 1"),
        ({"batch_size": 1.5}, TypeError, "batch_size is a number of changes"),
        ({"recursive": "yes"}, TypeError, "recursive is True or False"),
    ],
)
def test_a_directory_that_cannot_be_looked_at_is_refused(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        directory(tmp_path, **changes)


def test_what_was_set_after_construction_is_checked_when_it_is_sent() -> None:
    trigger = TimeTrigger(60)
    trigger.time_gap = -1
    with pytest.raises(ValueError, match="time_gap"):
        trigger.prepared()


def test_a_directorys_trigger_takes_along_who_looks_where_and_what_there_was_to_see(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").touch()
    trigger = DirTrigger(tmp_path, ["created", "moved", "created"], batch_size=2, recursive=True)
    prepared = trigger.prepared()
    record = prepared.record.directory
    assert record is not None
    assert (record.path, record.changes) == (str(tmp_path), (Change.CREATED, Change.MOVED))
    assert (record.batch_size, record.recursive) == (2, True)
    assert record.executor_data["host"] == host_identity()
    function, seen = prepared.assets
    assert (function.header.codec, function.get_deserialized()) == ("reference", observe)
    assert (record.function, record.seen) == (function.asset_id, seen.asset_id)
    opened = seen.get_deserialized()
    assert isinstance(opened, Seen)
    assert opened.entries.keys() == {"inner", "inner/file"}


def some(tmp_path: Path) -> list[Trigger]:
    return [TimeTrigger(60), CronTrigger("0 9 * * 1-5", "Asia/Tokyo"), directory(tmp_path, batch_size=3)]


def test_triggers_are_json_and_come_back_equal(tmp_path: Path) -> None:
    for trigger in some(tmp_path):
        plain = json.loads(json.dumps(trigger.to_dict()))
        assert from_dict(plain) == trigger
        assert type(trigger).from_dict(plain) == trigger
    with pytest.raises(ct.errors.WireError, match="of a TimeTrigger, not of a CronTrigger"):
        CronTrigger.from_dict(TimeTrigger(60).to_dict())
    for nonsense in ({}, {"type": "MoonTrigger", "attributes": {}}, {"type": "TimeTrigger"}):
        with pytest.raises(ct.errors.WireError, match="JSON form of a trigger"):
            from_dict(nonsense)


def test_a_lattice_keeps_its_triggers_in_its_metadata_its_copies_and_its_json(tmp_path: Path) -> None:
    triggers = some(tmp_path)
    lattice = ct.lattice(workflow, triggers=triggers)
    assert lattice.metadata["triggers"] == [trigger.to_dict() for trigger in triggers]
    assert copy.deepcopy(lattice).triggers == tuple(triggers)
    assert ct.lattice(workflow, triggers=TimeTrigger(5)).triggers == (TimeTrigger(5),)
    assert ct.lattice(workflow).metadata["triggers"] is None
    lattice.build_graph(1)
    text = lattice.serialize_to_json()
    again: ct.Lattice[...] = ct.Lattice.deserialize_from_json(text)
    assert again.triggers == tuple(triggers)
    assert again.serialize_to_json() == text


@pytest.mark.parametrize("given", [60, "daily", [60], {"trigger": 1}, TimeTrigger])
def test_what_is_no_trigger_is_refused_by_the_lattice(given: Any) -> None:
    with pytest.raises(TypeError, match=r"triggers takes a trigger such as ct\.triggers\.TimeTrigger\(60\), or a list"):
        ct.lattice(workflow, triggers=given)


def test_triggers_travel_in_the_manifest_with_their_assets(tmp_path: Path) -> None:
    lattice = ct.lattice(workflow, triggers=some(tmp_path))
    lattice.build_graph(1)
    package = hydration.dehydrate(lattice)
    clock, timetable, looked_at = package.manifest.triggers
    assert clock.clock == Clock(gap=60.0)
    assert timetable.timetable == Timetable(expression="0 9 * * 1-5", timezone="Asia/Tokyo")
    assert looked_at.directory is not None
    assert {looked_at.directory.function, looked_at.directory.seen} <= package.assets.keys()
    assert "triggers" in package.manifest.requires


def test_a_lattice_without_triggers_asks_for_no_such_feature() -> None:
    lattice = ct.lattice(workflow)
    lattice.build_graph(1)
    manifest = hydration.dehydrate(lattice).manifest
    assert (manifest.triggers, manifest.requires) == ((), ())


def test_a_sublattice_is_started_by_its_task_and_not_by_its_triggers() -> None:
    from covalent.electron import Defaults

    lattice = ct.lattice(workflow, triggers=TimeTrigger(60))
    assert lattice.as_sublattice(Defaults()).triggers == ()
    assert lattice.triggers != ()
