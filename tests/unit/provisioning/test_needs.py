"""What pools want, which starts have failed, and when they are tried again."""

from __future__ import annotations

from covalent.provisioning.needs import Needs
from covalent.wire.provisioning import Demand, WantedPool


def asked(needs: Needs, now: float, *, workers: int = 0) -> None:
    needs.asked(Demand(instance="i", pools=(WantedPool(pool="1", waiting=3, workers=workers),)), now)


def test_a_pool_is_open_until_a_start_fails_and_again_after_a_pause_that_doubles() -> None:
    needs = Needs()
    asked(needs, 0.0)
    assert [item.pool for item in needs.open(0.0)] == ["1"]
    now = 0.0
    for pause in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0):
        needs.failed("1", "job", "no", now)
        assert needs.open(now + pause - 0.01) == []
        assert len(needs.open(now + pause)) == 1
        now += pause


def test_the_latest_fault_is_told_until_a_worker_has_come() -> None:
    needs = Needs()
    asked(needs, 0.0)
    needs.failed("1", None, "first", 0.0)
    needs.failed("1", "job", "second", 1.0)
    assert [(fault.pool, fault.job, fault.message) for fault in needs.faults()] == [("1", "job", "second")]
    asked(needs, 100.0, workers=1)
    assert needs.faults() == ()


def test_a_worker_that_lived_for_long_and_went_in_peace_is_no_fault() -> None:
    needs = Needs()
    needs.failed("1", None, "first", 0.0)
    needs.ended("1", "job", "", began=0.0, now=31.0)
    assert needs.faults() == ()


def test_a_worker_that_ended_at_once_is_a_fault_with_or_without_words() -> None:
    needs = Needs()
    needs.ended("1", "job", "", began=0.0, now=1.0)
    assert [fault.message for fault in needs.faults()] == ["the worker ended soon after its start, without a word"]
    needs.ended("1", "job", "killed", began=0.0, now=100.0)
    assert [fault.message for fault in needs.faults()] == ["killed"]


def test_what_hangs_is_told_and_holds_nothing_else_up() -> None:
    needs = Needs()
    asked(needs, 0.0)
    needs.hangs("1", "job", "it hangs")
    assert [fault.message for fault in needs.faults()] == ["it hangs"]
    assert len(needs.open(0.0)) == 1
