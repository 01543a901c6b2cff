"""Which states nodes were in, and which ways they went: what was never visited was never shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from covalent_server.core.states import TRANSITIONS, NodeState


def way(before: NodeState, after: NodeState) -> str:
    """What a move is counted as."""
    return f"{before} → {after}"


#: Every state and every transition of the table.
EVERYTHING: Final = frozenset(
    [*map(str, NodeState), *(way(before, after) for before, targets in TRANSITIONS.items() for after in targets)]
)


def check_and_count(visits: Counter[str], moves: Iterable[tuple[NodeState, NodeState]]) -> None:
    """Count nodes as they stood before something happened and after it; all that moved went along the table."""
    for before, after in moves:
        visits[str(after)] += 1
        if before is not after:
            assert after in TRANSITIONS[before], f"no node may go {way(before, after)}"
            visits[way(before, after)] += 1


def missing(properties: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What was never visited, whatever property was looked at: what waits for others is let go by databases alone."""
    visited = {what for found in properties.values() for what, times in found["visits"].items() if times}
    return sorted(EVERYTHING - visited)
