"""Servers to work with: one for all tests that do it no harm, and one of its own for each that does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.interpreters import with_the_sdk_alone
from tests.acceptance.programs import Project
from tests.installation import Installation
from tests.postgres import Cluster


@pytest.fixture(scope="session")
def shared_installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A server that runs as long as there are tests; nobody may stop, restart or harm it or its workers."""
    with Installation(tmp_path_factory.mktemp("shared")) as installation:
        yield installation


@pytest.fixture
def project(tmp_path: Path, shared_installation: Installation) -> Project:
    """An empty project of a user of the shared server."""
    return Project(tmp_path / "project", shared_installation)


@pytest.fixture(scope="session")
def client_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of an environment that has the SDK, and neither the server nor what the tests are made of."""
    return with_the_sdk_alone(tmp_path_factory.mktemp("client") / "environment")


_CRYSTALS = """
class Crystal:
    def __init__(self, size):
        self.size = size

    def __str__(self):
        return f"a crystal of {self.size} mm"
"""


@pytest.fixture(scope="session")
def laboratory_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """As ``client_python``, and with a package ``crystals`` that is installed nowhere else."""
    directory = tmp_path_factory.mktemp("laboratory") / "environment"
    python = with_the_sdk_alone(directory)
    (packages,) = directory.glob("lib/python*/site-packages")
    (packages / "crystals.py").write_text(_CRYSTALS)
    return python


@pytest.fixture(scope="session")
def scientist_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same with numpy."""
    return with_the_sdk_alone(tmp_path_factory.mktemp("scientist") / "environment", "numpy")


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory, shared_installation: Installation, client_python: str) -> Project:
    """A project of a user of the shared server, in an environment with the SDK alone; one for all tests of a module."""
    return Project(tmp_path_factory.mktemp("user"), shared_installation, client_python)


@pytest.fixture(scope="module")
def laboratory(
    tmp_path_factory: pytest.TempPathFactory, shared_installation: Installation, laboratory_python: str
) -> Project:
    """A project of another user, whose environment has packages that nobody else has."""
    return Project(tmp_path_factory.mktemp("laboratory"), shared_installation, laboratory_python)


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a test's own server keeps its state; empty for the file that it makes, on which all tests run.

    Those that ``on_every_database`` marks run once more, on an empty database of PostgreSQL's.
    """
    if getattr(request, "param", "sqlite") == "sqlite":
        yield ""
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    with cluster.database() as name:
        yield cluster.url(name)


@pytest.fixture
def unstarted(tmp_path: Path, database_url: str) -> Installation:
    """A server for this test alone, which the test starts."""
    return Installation(tmp_path / "installation", database_url=database_url)


@pytest.fixture
def installation(unstarted: Installation) -> Iterator[Installation]:
    """A server for this test alone."""
    with unstarted:
        yield unstarted


@pytest.fixture
def own_project(tmp_path: Path, installation: Installation) -> Project:
    """An empty project of a user of the test's own server."""
    return Project(tmp_path / "project", installation)
