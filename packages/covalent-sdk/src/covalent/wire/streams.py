"""Reading what tasks print while they print it: what to ask for next, and what the bytes of an answer are as text.

Who asks, and how, is the caller's: here is what follows from the answers. Offsets count bytes, answers may end in the
middle of a character, and another attempt at a task prints from the beginning again.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, Protocol

from covalent.status import Status
from covalent.wire.records import NodeRecord

STREAMS: Final = ("stdout", "stderr")
#: For how long a server may hold an answer back until there is more, in seconds.
HELD_SECONDS: Final = 20.0
#: For how long it may until the dispatch has ended, when all of its tasks are followed.
_BETWEEN_LOOKS: Final = 1.0


class Asked(Protocol):
    """A dispatch that is asked, and one of the two streams of its tasks."""

    def ended(self, wait: float) -> bool:
        """Whether the dispatch has ended, or, after at most ``wait`` seconds, whether it has by then."""

    def nodes(self) -> tuple[NodeRecord, ...]:
        """All its nodes."""

    def node(self, number: int) -> NodeRecord:
        """One of its nodes."""

    def printed(self, node: NodeRecord, offset: int, wait: float) -> bytes:
        """What a node's attempt printed from an offset on; if there is nothing, then after at most ``wait`` seconds."""


class _Text:
    """The text of one attempt at one task, as far as it was read."""

    def __init__(self, attempt: int = 0) -> None:
        self.attempt = attempt
        self.offset = 0
        #: The beginning of a line whose end was not read yet.
        self.line = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def begin(self, attempt: int) -> str:
        """Go on with an attempt; the rest of the one before if it is another."""
        if attempt == self.attempt:
            return ""
        rest = self.finish()
        self.attempt, self.offset = attempt, 0
        return rest

    def take(self, piece: bytes) -> str:
        """What the next bytes say."""
        self.offset += len(piece)
        return self._decoder.decode(piece)

    def finish(self) -> str:
        """What is left when nothing more comes."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return rest


def follow(asked: Asked, number: int, pause: Callable[[], None]) -> Iterator[str]:
    """What a task prints, in pieces as they come, until it has ended or never will begin.

    ``pause`` is called before asking again when a server answered with nothing.
    """
    text = _Text()
    node = asked.node(number)
    while True:
        yield from _some(text.begin(node.attempt))
        over = _over(node, asked)
        piece = asked.printed(node, text.offset, 0 if over else HELD_SECONDS)
        yield from _some(text.take(piece))
        if piece:
            continue
        if over:
            yield from _some(text.finish())
            return
        node = asked.node(number)
        if node.attempt == text.attempt and not node.status.terminal:
            pause()


def follow_all(asked: Asked, *, only_once: bool = False) -> Iterator[str]:
    """What all tasks of a dispatch print, in whole lines as they come, each behind its task's name and number.

    With ``only_once`` it is what they have printed so far.
    """
    texts: dict[int, _Text] = {}
    read: set[int] = set()
    ended = only_once or asked.ended(0)
    while True:
        for node in asked.nodes():
            if node.attempt and node.node_id not in read:
                text = texts.setdefault(node.node_id, _Text(node.attempt))
                over = ended or node.status.terminal  # then a line that was not ended is shown as it is
                lines = _new_lines(asked, node, text, over=over)
                yield from (f"{node.node_name}({node.node_id}): {line}\n" for line in lines)
                if node.status.terminal:
                    read.add(node.node_id)
        if ended:
            return
        ended = asked.ended(_BETWEEN_LOOKS)


def _new_lines(asked: Asked, node: NodeRecord, text: _Text, *, over: bool) -> Iterator[str]:
    """The lines that a node has printed since it was last looked at; the rest of an attempt that is over first."""
    for attempt in dict.fromkeys((text.attempt, node.attempt)):
        text.begin(attempt)
        of_attempt = node if attempt == node.attempt else replace(node, attempt=attempt, printed=None)
        found = text.line + text.take(asked.printed(of_attempt, text.offset, 0))
        *whole, text.line = found.split("\n")
        yield from whole
        if over or attempt != node.attempt:
            yield from _some(text.line + text.finish())
            text.line = ""


def _over(node: NodeRecord, asked: Asked) -> bool:
    """Whether nothing more comes of a node."""
    return node.status.terminal or (node.status is Status.NEW_OBJECT and asked.ended(0))


def _some(text: str) -> Iterator[str]:
    if text:
        yield text
