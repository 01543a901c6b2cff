"""Servers to work with: one for all tests that do it no harm, and one of its own for each that does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.programs import Project
from tests.installation import Installation


@pytest.fixture(scope="session")
def shared_installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A server that runs as long as there are tests; nobody may stop, restart or harm it or its workers."""
    with Installation(tmp_path_factory.mktemp("shared")) as installation:
        yield installation


@pytest.fixture
def project(tmp_path: Path, shared_installation: Installation) -> Project:
    """An empty project of a user of the shared server."""
    return Project(tmp_path / "project", shared_installation)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """A server for this test alone."""
    with Installation(tmp_path / "installation") as installation:
        yield installation


@pytest.fixture
def own_project(tmp_path: Path, installation: Installation) -> Project:
    """An empty project of a user of the test's own server."""
    return Project(tmp_path / "project", installation)
