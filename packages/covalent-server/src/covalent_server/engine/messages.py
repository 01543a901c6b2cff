"""What workers say, looked at before anything is done with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from covalent.errors import WireError
from covalent.wire.work import Acknowledgement, Hello, LeaseKey, Poll
from covalent_server.core.planning import check_text
from covalent_server.db import work as rows

#: How far a stream of one attempt is kept, in bytes; workers cut theirs before.
MAX_STREAM_BYTES: Final = 32 * 1024 * 1024


def check_hello(hello: Hello) -> None:
    """Refuse what cannot be stored."""
    named = (("worker", hello.worker), ("pool", hello.pool), ("host", hello.host))
    for name, text in (*named, *(("features", feature) for feature in hello.features)):
        check_text(text, name)
    if not 0 <= hello.pid < 2**31:
        raise WireError("expected the number of a process", path="pid")


def pieces(poll: Poll, blobs: Sequence[memoryview], genuine: Callable[[LeaseKey], bool]) -> list[rows.StreamPiece]:
    """What came along of the streams of leases that are genuine."""
    return [
        rows.StreamPiece(key=item.key, stream=item.stream, offset=item.offset, data=bytes(blobs[item.blob]))
        for item in poll.streams
        if genuine(item.key)
        and 0 <= item.blob < len(blobs)
        and item.stream in ("stdout", "stderr")
        and 0 <= item.offset <= MAX_STREAM_BYTES
    ]


def merge(
    acknowledgements: Sequence[Acknowledgement], forged: Collection[int], count: int
) -> tuple[Acknowledgement, ...]:
    """One acknowledgement for each completion, in order; a forged one is stale."""
    genuine = iter(acknowledgements)
    return tuple(Acknowledgement.STALE if index in forged else next(genuine) for index in range(count))


def named(poll: Poll) -> set[int]:
    """The nodes whose leases a worker is known to have."""
    return {key.node for key in poll.held} | {item.key.node for item in poll.completions}


def only_listens(poll: Poll) -> bool:
    """Whether a worker wants nothing but to hear of leases that it is to drop."""
    return bool(poll.wait and not poll.want and not tells(poll))


def tells(message: Poll | rows.Report) -> bool:
    """Whether there is anything in it to be written."""
    begun = message.started or message.preparing
    return bool(begun or message.completions or message.assets or message.streams or message.released)
