"""Where a worker runs."""

from __future__ import annotations

import pytest

from covalent.worker.__main__ import unsupported


def test_a_worker_runs_on_linux() -> None:
    assert unsupported("linux") is None


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_it_says_that_linux_is_needed(platform: str) -> None:
    assert f"need Linux for now, this is {platform}" in (unsupported(platform) or "")
