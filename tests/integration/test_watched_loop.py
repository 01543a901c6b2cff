from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from blockbuster import BlockingError

from covalent_server.cli import mounts


@pytest.mark.usefixtures("watched_loop")
def test_a_file_read_by_the_server_on_the_loop_is_reported() -> None:
    async def read() -> object:
        return mounts.network_type(Path("/"))

    with pytest.raises(BlockingError):
        asyncio.run(read())


@pytest.mark.usefixtures("watched_loop")
def test_the_test_itself_may_read_files() -> None:
    async def read() -> str:
        return Path(__file__).read_text(encoding="utf-8")  # noqa: ASYNC240  (the blocking call that is looked for)

    assert asyncio.run(read())
