"""Following what tasks print, against a dispatch that goes on with every question."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from covalent.status import Status
from covalent.wire.records import NodeRecord
from covalent.wire.streams import HELD_SECONDS, follow, follow_all


def _node(number: int = 0, status: Status = Status.RUNNING, attempt: int = 1) -> NodeRecord:
    return NodeRecord(node_id=number, node_name="step", kind="task", status=status, attempt=attempt)


@dataclass
class Told:
    """A dispatch of which each held answer, each look and each pause is an occasion for the next thing to happen."""

    happening: Iterator[Callable[[Told], None]]
    records: dict[int, NodeRecord] = field(default_factory=lambda: {0: _node()})
    text: dict[tuple[int, int], bytes] = field(default_factory=dict)
    over: bool = False
    waits: list[float] = field(default_factory=list)
    pauses: int = 0

    def ended(self, wait: float) -> bool:
        if wait:
            self.goes_on()
        return self.over

    def nodes(self) -> tuple[NodeRecord, ...]:
        return tuple(self.records.values())

    def node(self, number: int) -> NodeRecord:
        return self.records[number]

    def printed(self, node: NodeRecord, offset: int, wait: float) -> bytes:
        self.waits.append(wait)
        found = self._text(node)[offset:]
        latest = self.records[node.node_id]
        if not found and wait and not latest.status.terminal and latest.attempt == node.attempt:
            self.goes_on()
            found = self._text(node)[offset:]
        return found

    def _text(self, node: NodeRecord) -> bytes:
        return self.text.get((node.node_id, node.attempt), b"")

    def goes_on(self) -> None:
        next(self.happening)(self)

    def pause(self) -> None:
        self.pauses += 1


def _prints(data: bytes, number: int = 0) -> Callable[[Told], None]:
    def happens(told: Told) -> None:
        key = number, told.records[number].attempt
        told.text[key] = told.text.get(key, b"") + data

    return happens


def _becomes(number: int = 0, **changes: Any) -> Callable[[Told], None]:
    def happens(told: Told) -> None:
        told.records[number] = replace(told.records[number], **changes)

    return happens


def _ends(told: Told) -> None:
    told.over = True


def _both(*steps: Callable[[Told], None]) -> Callable[[Told], None]:
    def happens(told: Told) -> None:
        for step in steps:
            step(told)

    return happens


_COMPLETED = _becomes(status=Status.COMPLETED)


def _followed(*steps: Callable[[Told], None], **state: Any) -> tuple[list[str], Told]:
    told = Told(iter(steps), **state)
    return list(follow(told, 0, told.pause)), told


def test_pieces_come_as_they_are_printed_and_the_last_when_the_task_has_ended() -> None:
    pieces, told = _followed(_prints(b"one\n"), _prints(b"two"), _both(_prints(b" three"), _COMPLETED))
    assert pieces == ["one\n", "two", " three"]
    assert told.waits[-1] == 0


def test_what_was_printed_between_the_last_answer_and_the_end_is_not_lost() -> None:
    pieces, _ = _followed(_COMPLETED, text={(0, 1): b"early"})
    assert pieces == ["early"]
    late = _both(_COMPLETED, _prints(b"late"))
    assert _followed(_prints(b"early"), late)[0] == ["early", "late"]


def test_a_character_that_was_cut_in_two_arrives_whole() -> None:
    data = "grüße".encode()
    pieces, _ = _followed(_prints(data[:3]), _both(_prints(data[3:]), _COMPLETED))
    assert pieces == ["gr", "üße"]


def test_bytes_that_are_no_text_are_marked_also_at_the_end() -> None:
    pieces, _ = _followed(_prints(b"a\xffb"), _both(_prints(b"\xc3"), _COMPLETED))
    assert "".join(pieces) == "a\ufffdb\ufffd"


def test_a_task_that_prints_nothing_is_asked_again_after_a_pause() -> None:
    pieces, told = _followed(_prints(b""), _prints(b""), _COMPLETED)
    assert pieces == []
    assert told.waits == [HELD_SECONDS, HELD_SECONDS, HELD_SECONDS, 0]
    assert told.pauses == 2


def test_another_attempt_is_read_from_its_beginning_after_the_rest_of_the_one_before() -> None:
    retried = _both(_prints(b" \xc3"), _becomes(attempt=2), _prints(b"ag"))
    pieces, _ = _followed(_prints(b"first"), retried, _both(_prints(b"ain"), _COMPLETED))
    assert pieces == ["first", " ", "\ufffd", "ag", "ain"]


def test_a_task_that_waits_is_waited_for() -> None:
    begins = _both(_becomes(attempt=1, status=Status.RUNNING), _prints(b"here"))
    pieces, _ = _followed(begins, _COMPLETED, records={0: _node(status=Status.NEW_OBJECT, attempt=0)})
    assert pieces == ["here"]


def test_a_task_that_never_will_begin_is_not_waited_for() -> None:
    records = {0: _node(status=Status.NEW_OBJECT, attempt=0)}
    assert _followed(records=records, over=True)[0] == []
    assert _followed(_ends, records=records)[0] == []


def test_all_tasks_are_followed_line_by_line_with_their_names() -> None:
    told = Told(
        iter(
            [
                _prints(b"o"),
                _both(_prints(b"ne\ntwo\n"), _prints(b"other", 1)),
                _both(_COMPLETED, _prints(b" end", 1), _becomes(1, status=Status.FAILED), _ends),
            ]
        ),
        records={0: _node(0), 1: _node(1), 2: _node(2, Status.NEW_OBJECT, 0)},
    )
    assert list(follow_all(told)) == ["step(0): one\n", "step(0): two\n", "step(1): other end\n"]


def test_a_line_that_another_attempt_cut_off_is_shown_and_read_no_more() -> None:
    retried = _both(_becomes(attempt=2), _prints(b"again\n"))
    told = Told(iter([_prints(b"first\nhal"), retried, _both(_COMPLETED, _ends)]))
    assert list(follow_all(told)) == ["step(0): first\n", "step(0): hal\n", "step(0): again\n"]


def test_tasks_that_have_ended_are_read_once() -> None:
    told = Told(iter([_prints(b""), _ends]), records={0: _node(status=Status.COMPLETED)}, text={(0, 1): b"x"})
    assert list(follow_all(told)) == ["step(0): x\n"]
    assert len(told.waits) == 1
