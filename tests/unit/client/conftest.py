"""A fake server for each test, with the environment pointing at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.client.fake_server import TOKEN, FakeServer


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    fake = FakeServer()
    fake.start()
    for name in ("COVALENT_DISPATCHER_ADDR", "COVALENT_SVC_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COVALENT_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("COVALENT_SERVER_URL", fake.url)
    monkeypatch.setenv("COVALENT_API_TOKEN", TOKEN)
    yield fake
    fake.stop()
