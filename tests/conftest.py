"""Fixtures that any test may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx


@pytest.fixture
def watched_loop() -> Iterator[BlockBuster]:
    """Fail the test when our server's code blocks its event loop: for tests that run parts of it on asyncio.

    Only calls made from ``covalent_server`` count; the test itself may read files as it likes.
    """
    with blockbuster_ctx("covalent_server") as watch:
        yield watch
