"""How often each workload is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Pairs are of a size, and how often that is run in each round."""

    rounds: int
    one_task: int
    large_value: int
    imports: int
    layers: int
    chains: tuple[tuple[int, int], ...]
    fans: tuple[tuple[int, int], ...]


FULL: Final = Plan(
    rounds=5,
    one_task=40,
    large_value=3,
    imports=10,
    layers=4,
    chains=((50, 4), (200, 2)),
    fans=((1000, 3), (10_000, 1)),
)
QUICK: Final = Plan(
    rounds=2, one_task=20, large_value=2, imports=5, layers=2, chains=((50, 2), (200, 1)), fans=((1000, 2), (10_000, 1))
)
