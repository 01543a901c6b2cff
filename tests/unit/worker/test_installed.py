"""Seeing that packages were installed or removed."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Callable
from functools import partial
from pathlib import Path

from covalent.worker import installed


def test_the_directory_that_packages_are_installed_to_is_looked_at() -> None:
    assert sysconfig.get_path("purelib") in installed.site_directories()


def test_an_install_an_upgrade_and_a_removal_are_seen(tmp_path: Path) -> None:
    first, second = tmp_path / "thing-1.dist-info", tmp_path / "thing-2.dist-info"
    changes: list[Callable[[], object]] = [first.mkdir, partial(first.rename, second), second.rmdir]
    for change in changes:
        # Set back, because the file system's clock may tick every few milliseconds only.
        os.utime(tmp_path, ns=(1, 1))
        before = installed.stamps([str(tmp_path)])
        assert installed.stamps([str(tmp_path)]) == before
        change()
        assert installed.stamps([str(tmp_path)]) != before


def test_a_directory_that_is_made_later_is_a_change(tmp_path: Path) -> None:
    later = tmp_path / "user-site"
    before = installed.stamps([str(later)])
    later.mkdir()
    assert installed.stamps([str(later)]) != before
