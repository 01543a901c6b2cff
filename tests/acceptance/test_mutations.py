"""Some of the mutations of ``nox -s mutations``, others for each commit and always the same ones for one."""

from __future__ import annotations

import random

import pytest

from benchmarks import machine
from tests.components import lacking
from tests.mutations.catalogue import ROOT, mutations
from tests.mutations.session import SKIPPED, tried_all

SOME = 3


@pytest.mark.timeout(900)
def test_rules_that_are_broken_turn_the_tests_red_that_they_name() -> None:
    known = mutations()
    commit, _ = machine.commit(ROOT)
    picked = random.Random(commit).sample(sorted(known), SOME)  # noqa: S311 - no secret
    faults = tried_all([known[name] for name in picked], 2)
    if faults and all(SKIPPED in fault for fault in faults):
        lacking("\n".join(faults))
    assert faults == []
