"""A source, asked about the streams of a dispatch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from covalent.result.source import Source
from covalent.wire.records import NodeRecord

#: Between two questions when there was nothing to tell, in seconds.
_PAUSE: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """One stream of all tasks of a dispatch."""

    source: Source
    dispatch_id: str
    stream: str

    def ended(self, wait: float) -> bool:
        """Whether the dispatch has ended."""
        return self.source.dispatch(self.dispatch_id, wait=wait).status.at_rest

    def nodes(self) -> tuple[NodeRecord, ...]:
        """All its nodes."""
        return self.source.nodes(self.dispatch_id)

    def node(self, number: int) -> NodeRecord:
        """One of its nodes."""
        return self.source.node(self.dispatch_id, number)

    def printed(self, node: NodeRecord, offset: int, wait: float) -> bytes:
        """What a node's attempt printed from an offset on."""
        return self.source.printed(self.dispatch_id, node, self.stream, offset=offset, wait=wait)


def pause() -> None:
    """Wait before asking again."""
    time.sleep(_PAUSE)
