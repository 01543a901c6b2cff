"""How often each workload is run, and how large it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

#: A workload's name and the numbers that its script is given.
Step = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Pairs are of a size, and how often that is run in each round."""

    rounds: int
    one_task: int
    large_value: int
    imports: int
    chains: tuple[tuple[int, int], ...]
    fans: tuple[tuple[int, int], ...]

    def steps(self) -> list[Step]:
        """What every system runs, in this order."""
        return [
            ("one_task", (self.one_task,)),
            ("large_value", (self.large_value,)),
            *(("chain", chain) for chain in self.chains),
            *(("fan_out", fan) for fan in self.fans),
        ]

    def slower(self) -> Plan:
        """For a system that would take minutes: fewer runs, and only the smallest of each size."""
        (length, _), (size, _) = self.chains[0], self.fans[0]
        return replace(self, one_task=5, large_value=1, imports=2, chains=((length, 1),), fans=((size, 1),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """What only our own server is asked, each in a life of its own."""

    rounds: int
    #: Tasks with packages (E1).
    layers: int
    #: Nodes in layers, and how often (W5).
    meshes: tuple[tuple[int, int], ...]
    #: Clients, and seconds (W8).
    clients: tuple[int, int]
    #: Tasks in all, and in each dispatch (W9).
    volume: tuple[int, int]


FULL: Final = Plan(
    rounds=3, one_task=40, large_value=3, imports=6, chains=((50, 4), (200, 2)), fans=((1000, 3), (10_000, 1))
)
FULL_OURS: Final = Ours(
    rounds=2, layers=4, meshes=((1000, 3), (20_000, 2), (100_000, 1)), clients=(200, 60), volume=(100_000, 1000)
)
QUICK: Final = Plan(
    rounds=1, one_task=20, large_value=2, imports=3, chains=((50, 2), (200, 1)), fans=((1000, 1), (10_000, 1))
)
QUICK_OURS: Final = Ours(rounds=1, layers=2, meshes=((1000, 1), (5000, 1)), clients=(200, 10), volume=(10_000, 1000))
