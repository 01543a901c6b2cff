"""Workflows are built without whatever the account that runs the tests has configured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of an empty configuration."""
    directory = tmp_path_factory.mktemp("configuration")
    with pytest.MonkeyPatch.context() as surroundings:
        surroundings.setenv("COVALENT_CONFIG_DIR", str(directory))
        yield directory
