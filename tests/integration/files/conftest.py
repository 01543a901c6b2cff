"""Servers of files for tests in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.file_servers import Machine, Site, object_store, ssh_machine, web_site


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web server that runs as long as the test."""
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with web_site() as server:
        yield server


@pytest.fixture(scope="session")
def store() -> Iterator[str]:
    """The address of a store that speaks as Amazon's S3 does; it has a ``bucket``."""
    with object_store() as address:
        yield address


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """What is reached by ssh, as long as there are tests."""
    with ssh_machine(tmp_path_factory.mktemp("ssh")) as reached:
        yield reached
