"""Processes are killed before and after everything that becomes durable, is sent or is acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.chaos import crowd_kinds, points, sites
from tests.chaos.campaign import plan, turns


def test_every_site_in_the_sources_is_killed_at_or_left_out_for_a_reason() -> None:
    """A new commit, rename, sync, send, start or answer needs its line in tests/chaos/points.py."""
    every = points.every_site()
    assert [site for site in every if points.left_out(site) == (site in points.WAYS)] == []
    assert [site for site in points.WAYS if site not in every] == []
    modules = {site.partition(":")[0] for site in every}
    assert [name for name in points.LEFT_OUT if name not in modules and name not in every] == []
    assert points.ONLY_ON.keys() <= points.WAYS.keys()
    assert points.MIDST.rpartition(":")[0] in points.ONLY_ON


def test_every_way_to_a_site_is_one_that_the_campaign_knows() -> None:
    known = {points.START, points.FIRST, points.LOSS, points.STOP, points.CLOCK, points.OUTAGE, *crowd_kinds()}
    assert set(points.WAYS.values()) <= known


@pytest.mark.parametrize("database", points.DATABASES)
def test_every_point_comes_in_as_many_runs_as_are_made_at_most_whatever_the_seed(database: str) -> None:
    every = points.every_point(database)
    for seed in (1, 2**32 - 1):
        plans = [plan(database, seed, run) for run in range(turns(database))]
        assert {getattr(action, "point", "") for actions in plans for action in actions} == set(every) | {""}
        assert plan(database, seed, 3) == plans[3]
    assert set(every[-3:]) <= {getattr(action, "point", "") for action in plan(database, 1, 3, every[-3:])}


def test_points_that_one_kind_of_database_has_alone_are_not_looked_for_on_the_other() -> None:
    sqlite, postgresql = (set(points.every_point(database)) for database in points.DATABASES)
    assert {point.rpartition(":")[0] for point in sqlite ^ postgresql} == points.ONLY_ON.keys()
    assert points.MIDST in postgresql - sqlite


class Recording:
    """A gate that lets all pass, and notes who does."""

    def __init__(self) -> None:
        self.passed: list[str] = []

    def around(self, site: str, call: Any) -> Any:
        self.passed.append(f"{site}:before")
        value = call()
        self.passed.append(f"{site}:after")
        return value

    async def awaited(self, site: str, call: Any) -> Any:
        self.passed.append(f"{site}:before")
        value = await call()
        self.passed.append(f"{site}:after")
        return value

    @contextmanager
    def transaction(self, site: str, context: Any) -> Iterator[Any]:
        with context as entered:
            yield entered
            self.passed.append(f"{site}:before")
        self.passed.append(f"{site}:after")


SITES = {
    "os.fsync(file)": "f.system",
    "os.replace(file, other)": "f.system",
    "os.write(file, other)": "f.system",
    "path.replace(file)": "f.rename",
    "path.rename(file)": "f.rename",
    "connection.sendall(file)": "f.send",
    "self._socket.send(file)": "f.send",
    "pool.urlopen(file)": "f.send",
    "segment.file.flush()": "f.flush",
    "self._file.truncate()": "f.truncate",
    "subprocess.Popen(file)": "f.start",
    "connection.commit()": "f.commit",
    "writer.submit(file).result()": "f.write",
}


@pytest.mark.parametrize(("call", "site"), SITES.items(), ids=list(SITES))
def test_a_call_of_each_form_is_found_and_led_through_the_gate(call: str, site: str) -> None:
    tree, names = sites.rewritten(f"def f(**given):\n    globals().update(given)\n    return {call}\n", "m")
    assert names == [f"m:{site}"]
    gate, made = Recording(), _Anything()
    namespace: dict[str, Any] = {sites.GATE: gate}
    exec(compile(tree, "m", "exec"), namespace)  # noqa: S102  (the source above)
    given = dict.fromkeys(("os", "path", "connection", "self", "pool", "segment", "subprocess", "writer"), made)
    assert namespace["f"](**given, file=made, other=made) is made
    assert gate.passed == [f"m:{site}:before", f"m:{site}:after"]


def test_a_transaction_dies_before_and_after_its_commit_and_a_write_before_and_after_its_answer() -> None:
    source = (
        "async def f(connection, shared, done):\n"
        "    with connection.begin():\n"
        "        done('inside')\n"
        "    return await shared.write(done)\n"
    )
    tree, names = sites.rewritten(source, "m")
    assert names == ["m:f.commit", "m:f.write"]
    gate = Recording()
    namespace: dict[str, Any] = {sites.GATE: gate}
    exec(compile(tree, "m", "exec"), namespace)  # noqa: S102  (the source above)

    class Store:
        @contextmanager
        def begin(self) -> Iterator[None]:
            yield
            gate.passed.append("committed")

        async def write(self, _: Any) -> str:
            gate.passed.append("written")
            return "answer"

    assert asyncio.run(namespace["f"](Store(), Store(), gate.passed.append)) == "answer"
    assert gate.passed == [
        "inside",
        "m:f.commit:before",
        "committed",
        "m:f.commit:after",
        "m:f.write:before",
        "written",
        "m:f.write:after",
    ]


def test_what_only_looks_alike_is_no_site() -> None:
    source = 'text.replace("a", "b"); when.replace(tzinfo=None); replace(record, name=1); queue.send(item); x.write(1)'
    assert sites.found(source, "m") == []


def test_an_answer_to_a_request_that_changes_something_is_a_site() -> None:
    source = (
        'ROUTES = (Route(method="POST", path="/a", handler=add, scope=1), '
        'Route(method="GET", path="/b", handler=show, scope=1))'
    )
    assert list(sites.answered(source, "m")) == ["m:add.answer"]


class _Anything:
    """Gives itself, whatever is asked of it."""

    def __getattr__(self, _: str) -> Any:
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self
