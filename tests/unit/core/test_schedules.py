"""When triggers fire: strictly later, through gaps and folds of daylight saving, and whatever the clock is set to."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covalent.errors import WireError
from covalent_server.core.schedules import Cron, Decision, Every, Looked, Schedule, Timing, begin, decide

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu")
#: Of the years 2000 to 2030.
moments = st.floats(min_value=946_684_800, max_value=1_893_456_000)
#: The hours around each change of the clocks in Berlin and on Lord Howe, where it is half an hour.
changes = st.builds(
    lambda day, hours: (day + timedelta(hours=hours)).timestamp(),
    st.sampled_from(
        [datetime(2024, 3, 31, tzinfo=UTC), datetime(2024, 10, 27, tzinfo=UTC), datetime(2024, 4, 6, tzinfo=UTC)]
    ),
    st.floats(min_value=-3, max_value=27),
)


def fields(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    term = st.one_of(
        st.just("*"),
        number.map(str),
        st.builds(lambda step: f"*/{step}", st.integers(1, most + 1)),
        st.builds(lambda one, two: f"{min(one, two)}-{max(one, two)}", number, number),
    )
    return st.lists(term, min_size=1, max_size=3).map(",".join)


expressions = st.builds(
    lambda *parts: " ".join(parts), fields(0, 59), fields(0, 23), fields(1, 28), fields(1, 12), fields(0, 7)
)
crons = st.builds(lambda text, zone: Cron(expression=text, zone=ZoneInfo(zone)), expressions, st.sampled_from(ZONES))
schedules = st.one_of(crons, st.builds(Every, gap=st.floats(min_value=0.1, max_value=1e7)))


def cron(expression: str, zone: str = "UTC") -> Cron:
    return Cron(expression=expression, zone=ZoneInfo(zone))


def times(schedule: Schedule, start: str, count: int, zone: str = "UTC") -> list[str]:
    """The next times after one, by the clock of a zone."""
    moment = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).timestamp()
    found = []
    for _ in range(count):
        moment = schedule.after(moment)
        found.append(datetime.fromtimestamp(moment, ZoneInfo(zone)).strftime("%d %H:%M%z"))
    return found


@given(schedules, st.one_of(moments, changes))
def test_the_next_time_is_strictly_later(schedule: Schedule, moment: float) -> None:
    assert schedule.after(moment) > moment


@given(crons, changes)
def test_no_time_of_a_timetable_is_skipped_by_asking_from_an_earlier_one(schedule: Cron, moment: float) -> None:
    first = schedule.after(moment)
    assert schedule.after((moment + first) / 2) <= first


def test_a_timetable_is_read_in_its_time_zone() -> None:
    assert times(cron("30 9 * * 1-5", "Europe/Berlin"), "2026-01-02 10:00", 2, "UTC") == [
        "05 08:30+0000",
        "06 08:30+0000",
    ]


def test_a_time_that_a_day_does_not_have_comes_when_the_gap_is_over() -> None:
    found = times(cron("30 2 * * *", "Europe/Berlin"), "2024-03-30 12:00", 2, "Europe/Berlin")
    assert found == ["31 03:00+0200", "01 02:30+0200"]


def test_a_time_that_a_day_has_twice_comes_the_first_time() -> None:
    found = times(cron("30 2 * * *", "Europe/Berlin"), "2024-10-26 12:00", 2, "Europe/Berlin")
    assert found == ["27 02:30+0200", "28 02:30+0100"]


def test_within_the_hour_that_a_day_has_twice_what_is_over_does_not_come_again() -> None:
    second_half_past_two = datetime(2024, 10, 27, 1, 10, tzinfo=UTC).timestamp()  # 02:10 once more
    found = datetime.fromtimestamp(cron("30 2 * * *", "Europe/Berlin").after(second_half_past_two), UTC)
    assert found == datetime(2024, 10, 28, 1, 30, tzinfo=UTC)


def test_what_comes_every_half_hour_goes_on_through_both_changes() -> None:
    schedule = cron("*/30 * * * *", "Europe/Berlin")
    for day in ("2024-03-31 01:00", "2024-10-27 01:00"):
        moment = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
        assert [schedule.after(moment + 1800 * step) - moment for step in range(6)] == [1800.0 * n for n in range(1, 7)]


@pytest.mark.parametrize(
    "expression",
    ["", "* * * *", "0 * * * * *", "61 * * * *", "a * * * *", "* * 30 2 *", "@daily", f"{'9' * 5000} * * * *"],
)
def test_what_is_no_cron_expression_or_never_comes_is_refused(expression: str) -> None:
    with pytest.raises(WireError, match=r"cron expression|five fields"):
        cron(expression).after(0.0)


def looked(schedule: Schedule, timing: Timing, at: float) -> Decision:
    return decide(schedule, timing, Looked(at=at))


@given(schedules, moments, st.floats(min_value=0, max_value=3))
def test_what_was_missed_fires_once_and_then_goes_on_from_now(
    schedule: Schedule, start: float, intervals: float
) -> None:
    timing = begin(schedule, start)
    at = timing.due_at + intervals * (timing.due_at - start)
    decision = looked(schedule, timing, at)
    assert decision.fires
    assert decision.timing.due_at > at
    assert not looked(schedule, decision.timing, at).fires


@given(schedules, moments, st.floats(min_value=0, max_value=0.999))
def test_nothing_fires_before_its_time(schedule: Schedule, start: float, part: float) -> None:
    timing = begin(schedule, start)
    at = start + part * (timing.due_at - start)
    assert looked(schedule, timing, at) == Decision(timing=timing, fires=at >= timing.due_at)


@given(schedules, moments, st.floats(min_value=0, max_value=1e8))
def test_a_clock_that_is_set_back_delays_the_next_firing_by_one_interval_at_most(
    schedule: Schedule, start: float, back: float
) -> None:
    timing = begin(schedule, start)
    at = start - back
    after = looked(schedule, timing, at)
    assert not after.fires
    interval = max(timing.due_at - start, after.timing.due_at - after.timing.since)
    assert after.timing.due_at - at <= 2 * interval + 1e-3


@given(crons, moments)
def test_a_clock_that_is_set_back_a_little_repeats_no_firing(schedule: Cron, start: float) -> None:
    timing = begin(schedule, start)
    fired = looked(schedule, timing, timing.due_at)
    assert looked(schedule, fired.timing, math.nextafter(timing.due_at, 0)) == Decision(timing=fired.timing)


def test_delays_of_a_clock_do_not_add_up() -> None:
    timing, schedule = begin(Every(gap=10.0), 0.0), Every(gap=10.0)
    dues = []
    for _ in range(3):
        dues.append(timing.due_at)
        timing = looked(schedule, timing, timing.due_at + 0.5).timing
    assert dues == [10.0, 20.0, 30.0]
