"""``covalent trigger``: what starts workflows by itself, seen and stopped from a terminal."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from covalent.wire import FRAMES_CONTENT_TYPE, codec, frames
from covalent.wire.manifest import Manifest
from covalent.wire.triggers import Clock, Timetable, Trigger
from covalent_server.cli import exits
from covalent_server.errors import NotRunningError, RefusedError
from tests.builders import FUNCTION, manifest, node
from tests.integration.cli.conftest import House


def dispatched(started: dict[str, Any], made: Manifest) -> str:
    """Send a manifest to the server that was started."""
    request = urllib.request.Request(  # noqa: S310  (it is http)
        f"{started['url']}/api/v1/dispatches",
        data=frames.pack(codec.dumps(made), [FUNCTION]),
        headers={
            "Content-Type": FRAMES_CONTENT_TYPE,
            "Authorization": f"Bearer {Path(started['token_file']).read_text().strip()}",
        },
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return str(json.load(answer)["dispatch_id"])


def test_triggers_are_listed_and_stopped(house: House) -> None:
    started = house.json("start")
    assert house.run("trigger", "list").stdout == "No triggers\n"
    made = replace(
        manifest([node(0)]),
        triggers=(
            Trigger(clock=Clock(gap=3600.0)),
            Trigger(timetable=Timetable(expression="0 9 * * 1-5", timezone="Europe/Berlin")),
        ),
    )
    dispatch_id = dispatched(started, made)
    hourly, daily = house.json("trigger", "list")["triggers"]
    assert (hourly["dispatch_id"], hourly["name"], hourly["firings"]) == (dispatch_id, "workflow", 0)
    shown = house.run("trigger", "list").stdout
    assert shown.splitlines()[0].split() == ["TRIGGER", "WORKFLOW", "STARTS", "FIRINGS", "NEXT"]
    assert "every 3600 s" in shown
    assert "0 9 * * 1-5 Europe/Berlin" in shown
    assert house.run("trigger", "stop", hourly["trigger_id"]).stdout == f"Stopped {hourly['trigger_id']} of workflow\n"
    assert [item["trigger_id"] for item in house.json("trigger", "list")["triggers"]] == [daily["trigger_id"]]
    assert len(house.json("trigger", "stop", dispatch_id)["triggers"]) == 2
    assert house.run("trigger", "list").stdout == "No triggers\n"
    assert house.run("trigger", "list", "--all").stdout.count("stopped") == 2


def test_an_unknown_trigger_is_named(house: House) -> None:
    house.run("start")
    refused = house.run("trigger", "stop", "nonsense")
    assert refused.returncode == exits.code_of(RefusedError())
    assert "no trigger 'nonsense'" in refused.stderr


@pytest.mark.parametrize("arguments", [["list"], ["stop", "any"]])
def test_without_a_server_it_says_how_to_start_one(house: House, arguments: list[str]) -> None:
    refused = house.run("trigger", *arguments)
    assert refused.returncode == exits.code_of(NotRunningError())
    assert "covalent start" in refused.stderr
