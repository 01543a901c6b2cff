"""Which clock is for what."""

from __future__ import annotations

import time

from covalent_server.engine import shared


def test_deadlines_are_told_by_a_clock_that_nobody_sets() -> None:
    before = time.monotonic()
    assert before <= shared.monotonic() <= time.monotonic()


def test_records_carry_the_time_of_day() -> None:
    before = time.time()
    assert before <= shared.now() <= time.time()
