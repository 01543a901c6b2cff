"""Where tasks of the executor ``dask`` run, and with which interpreter a bridge to their cluster can be started."""

from __future__ import annotations

from typing import Any

import pytest

from covalent.wire.manifest import Metadata
from covalent_server.core.errors import ExecutorRefusedError
from covalent_server.executors import registry

ADDRESS = "tcp://host:8786"
HERE = registry.Machine(host="here")


def test_the_tasks_of_a_cluster_share_a_pool_whoever_starts_its_bridge() -> None:
    places = [
        registry.place_of(
            Metadata(executor="dask", executor_data={"scheduler_address": ADDRESS, "bridge": {"python": python}}),
            "node",
            HERE,
        )
        for python in ("/a/python", "/b/python")
    ]
    assert places == [ADDRESS, ADDRESS]


@pytest.mark.parametrize("address", [None, "", 3, "tcp://h\0", "x" * 3000])
def test_an_address_that_is_none_is_refused(address: object) -> None:
    metadata = Metadata(executor="dask", executor_data={"scheduler_address": address})
    with pytest.raises(ExecutorRefusedError, match="DaskExecutor"):
        registry.place_of(metadata, "node", HERE)


@pytest.mark.parametrize(
    ("bridge", "python"),
    [
        ({"python": "/a/python", "host": "here"}, "/a/python"),
        ({"python": "/a/python", "host": "elsewhere"}, None),
        ({"python": "python", "host": "here"}, None),
        ({"python": "/a\0", "host": "here"}, None),
        ({"host": "here"}, None),
        ("/a/python", None),
        (None, None),
    ],
)
def test_a_bridge_is_started_on_the_machine_that_dispatched_alone(bridge: Any, python: str | None) -> None:
    assert registry.bridge_python({"bridge": bridge}, HERE) == python
