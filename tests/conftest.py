"""Fixtures that any test may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from covalent import secret
from covalent.masks import Masks


@pytest.fixture
def watched_loop() -> Iterator[BlockBuster]:
    """Fail the test when our server's code blocks its event loop: for tests that run parts of it on asyncio.

    Only calls made from ``covalent_server`` count; the test itself may read files as it likes.
    """
    with blockbuster_ctx("covalent_server") as watch:
        yield watch


@pytest.fixture
def secrets_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process looks secrets up; it knows none yet, and forgets those of the test after it."""
    for name, fresh in (("names", {}), ("masks", Masks()), ("tell", None)):
        monkeypatch.setattr(secret._Process, name, fresh)
    monkeypatch.delenv("COVALENT_RUNNER", raising=False)
    directory = tmp_path / "secrets"
    directory.mkdir(mode=0o700)
    monkeypatch.setenv("COVALENT_SECRETS_DIR", str(directory))
    return directory
