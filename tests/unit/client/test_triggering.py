"""Registering and stopping triggers: what is asked of the server, and what is refused before it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import covalent as ct
from covalent.errors import MissingLatticeRecordError, ServerError, ServerUnreachableError
from covalent.triggers import DirTrigger, TimeTrigger
from covalent.wire.triggers import Clock, Trigger
from tests.unit.client.fake_server import FakeServer, a_record


@pytest.fixture(autouse=True)
def _a_dispatch(server: FakeServer) -> None:
    server.records["it"] = a_record("it")


def test_a_trigger_is_attached_to_a_dispatch_that_is_there(server: FakeServer) -> None:
    trigger_id = TimeTrigger(60, lattice_dispatch_id="it").register()
    registered = server.triggers[trigger_id]
    assert (registered.dispatch_id, registered.trigger) == ("it", Trigger(clock=Clock(gap=60.0)))


def test_what_a_trigger_names_is_there_before_it(server: FakeServer, tmp_path: Path) -> None:
    trigger_id = DirTrigger(tmp_path, "created", lattice_dispatch_id="it").register()
    record = server.triggers[trigger_id].trigger.directory
    assert record is not None
    assert {record.function, record.seen} == server.assets.keys()
    assert server.asked[-1] == "POST /triggers"


def test_a_lost_answer_registers_nothing_twice(server: FakeServer) -> None:
    server.losses = 1
    TimeTrigger(60, lattice_dispatch_id="it").register()
    assert len(server.triggers) == 1
    assert server.asked == ["POST /triggers"] * 2


def test_without_a_dispatch_there_is_nothing_to_register_for(server: FakeServer) -> None:
    with pytest.raises(TypeError, match=r"lattice_dispatch_id=\.\.\., or give the trigger to the lattice"):
        TimeTrigger(60).register()
    with pytest.raises(MissingLatticeRecordError):
        TimeTrigger(60, lattice_dispatch_id="other").register()
    assert server.triggers == {}


@pytest.mark.parametrize("name", ["dispatcher_addr", "triggers_server_addr"])
def test_the_server_can_be_named_either_way(server: FakeServer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COVALENT_SERVER_URL", "http://localhost:1")
    trigger = TimeTrigger(60, lattice_dispatch_id="it")
    setattr(trigger, name, server.url)
    trigger_id = trigger.register()
    where: Any = {name: server.url}
    assert ct.stop_triggers(trigger_id, **where) == f"Stopped the trigger {trigger_id} of the dispatch it."


def test_triggers_are_stopped_by_their_ids_or_those_of_their_dispatches() -> None:
    first, second = (TimeTrigger(60, lattice_dispatch_id="it").register() for _ in range(2))
    said = ct.stop_triggers("it")
    assert said == f"Stopped the trigger {first} of the dispatch it, the trigger {second} of the dispatch it."
    assert ct.stop_triggers([second, second]) == f"Stopped the trigger {second} of the dispatch it."
    with pytest.raises(ServerError, match="there is no such thing"):
        ct.stop_triggers(["it", "other"])


@pytest.mark.parametrize(
    ("ids", "error"), [(5, TypeError), (None, TypeError), ([5], TypeError), (b"it", TypeError), ([], ValueError)]
)
def test_what_is_no_id_is_refused_before_anybody_is_asked(server: FakeServer, ids: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        ct.stop_triggers(ids)
    assert server.asked == []


def test_a_redispatch_runs_now_and_leaves_the_triggers_to_the_original(server: FakeServer, tmp_path: Path) -> None:
    @ct.electron
    def task(x: int) -> int:
        return x

    watched = tmp_path / "watched"
    watched.mkdir()

    @ct.lattice(triggers=[TimeTrigger(60), DirTrigger(watched, "created")])
    def workflow(x: int) -> int:
        return task(x)

    original = ct.dispatch(workflow)(1)
    assert len(server.manifests[original].triggers) == 2
    watched.rmdir()
    for again in (ct.redispatch(original)(), ct.redispatch(original)(2)):
        manifest = server.manifests[again]
        assert (manifest.triggers, manifest.hold, manifest.redispatch_of) == ((), False, original)
        assert "triggers" not in manifest.requires


def test_without_a_server_the_error_says_how_to_start_one(server: FakeServer) -> None:
    server.stop()
    with pytest.raises(ServerUnreachableError, match="covalent start"):
        TimeTrigger(60, lattice_dispatch_id="it").register()
