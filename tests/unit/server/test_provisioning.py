"""For which pools a server starts workers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from covalent_server import settings as server_settings
from covalent_server.core.events import LeaseEnd
from covalent_server.db.identity import PoolRow
from covalent_server.engine.provisioning import Provisioning
from covalent_server.executors.registry import Machine

POOLS = [PoolRow(id=number, owner=f"owner-{number}", executor="local", place="/no/python") for number in (1, 2)]


class House:
    """A server around the provisioning, which notes what it is told; the interpreters of its pools are not there."""

    def __init__(self, directory: Path, interpreters: frozenset[str] | None = None) -> None:
        self.minted: list[str] = []
        self.failed: list[int] = []
        places = {"data_dir": directory / "data", "config_dir": directory / "config", "port": 0}
        self.provisioning = Provisioning(
            server_settings.load(places, {}),
            machine=Machine(host="here", interpreters=interpreters),
            url="http://localhost:0",
            mint=self.mint,
            fail=self.fail,
            lost=self.lost,
            silent=lambda _: False,
            interpreter=self.interpreter,
        )

    async def interpreter(self, pool: PoolRow) -> str | None:
        return pool.place or None

    async def mint(self, owner: str) -> tuple[str, str]:
        self.minted.append(owner)
        return "token", "digest"

    async def fail(self, pool: PoolRow, _: str) -> None:
        self.failed.append(pool.id)

    async def lost(self, worker: str | None, token_digest: str, how: LeaseEnd) -> None:
        raise AssertionError((worker, token_digest, how))


@pytest.mark.parametrize(("shut", "started"), [((), [1, 2]), ({1}, [2]), ({1, 2}, [])])
def test_no_worker_is_started_for_a_pool_that_is_shut(tmp_path: Path, shut: set[int], started: list[int]) -> None:
    house = House(tmp_path)
    asyncio.run(house.provisioning.ensure(POOLS, shut))
    assert house.minted == [f"owner-{number}" for number in started]
    assert house.failed == started


def test_what_must_not_run_here_fails_also_while_it_is_shut(tmp_path: Path) -> None:
    house = House(tmp_path, frozenset({"/another/python"}))
    asyncio.run(house.provisioning.ensure(POOLS[:1], {1}))
    assert (house.minted, house.failed) == ([], [1])


def test_no_worker_is_started_where_that_is_for_somebody_else(tmp_path: Path) -> None:
    house = House(tmp_path)
    asyncio.run(house.provisioning.ensure([PoolRow(id=1, owner="ada", executor="dask", place="")]))
    assert (house.minted, house.failed) == ([], [])
