"""A sample of the crash campaign, the same in every run; ``nox -s chaos`` is the whole of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.campaign import Campaign

#: Processes that are killed here at least.
KILLS = 100

pytestmark = pytest.mark.timeout(900)


def test_a_hundred_killed_servers_workers_and_runners_lose_nothing_and_repeat_nothing_without_a_reason(
    tmp_path: Path,
) -> None:
    campaign = Campaign(tmp_path, seed=1)
    campaign.until(KILLS, every_point=False)
    assert campaign.faults() == []
    assert campaign.kills.total() >= KILLS
    assert {"server", "worker", "runner"} <= campaign.kills.keys()
    hit = {point for report in campaign.reports for point in report.hit}
    assert any(point.endswith(":before") for point in hit)
    assert any(point.endswith(":after") for point in hit)
    assert sum(report.counts["acknowledged results"] for report in campaign.reports) > KILLS
