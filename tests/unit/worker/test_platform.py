"""Where a worker runs."""

from __future__ import annotations

import pytest

from covalent.worker.__main__ import main, unsupported


def test_a_worker_runs_on_linux() -> None:
    assert unsupported("linux") is None


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_it_says_that_linux_is_needed(platform: str) -> None:
    assert f"need Linux for now, this is {platform}" in (unsupported(platform) or "")


def test_the_help_says_that_the_server_starts_workers_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    assert "The server starts the workers of its own machine by itself" in printed
    assert "Start one by hand only" in printed
