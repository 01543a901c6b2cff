"""The decisions are those of a model that was written from the rules."""

from __future__ import annotations

from tests.lifecycles.campaign import SOME, in_core


def test_decisions_are_those_of_the_model() -> None:
    assert in_core(SOME)
