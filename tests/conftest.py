"""Fixtures that any test may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from covalent import secret
from covalent.masks import Masks
from tests.databases import (
    KINDS,
    Databases,
    PostgresDatabases,
    SqliteDatabases,
    make_postgres_template,
    make_sqlite_template,
)
from tests.postgres import Cluster


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


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL for all tests; whoever stops it has another to begin with."""
    with Cluster() as made:
        yield made


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, to be copied."""
    return make_sqlite_template(tmp_path_factory.mktemp("template") / "covalent.db")


@pytest.fixture(scope="session")
def postgres_databases(cluster: Cluster) -> Iterator[PostgresDatabases]:
    """PostgreSQL's, all of them copies of one."""
    with cluster.database() as template:
        make_postgres_template(cluster, template)
        yield PostgresDatabases(cluster, template)


@pytest.fixture
def sqlite_databases(tmp_path: Path, sqlite_template: Path) -> SqliteDatabases:
    """SQLite's, in a directory of the test's."""
    directory = tmp_path / "databases"
    directory.mkdir()
    return SqliteDatabases(directory, sqlite_template)


@pytest.fixture(params=KINDS)
def databases(request: pytest.FixtureRequest) -> Databases:
    """Of each kind that there is: a test that asks for it runs on all of them."""
    names = {"sqlite": "sqlite_databases", "postgresql": "postgres_databases"}
    found: Any = request.getfixturevalue(names[request.param])
    made: Databases = found
    return made


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A fresh database with the tables of the newest version, of each kind."""
    with databases.migrated() as url:
        yield url
