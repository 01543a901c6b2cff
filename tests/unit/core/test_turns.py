"""Whose turn it is: pure arithmetic over lines of ready nodes."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covalent_server.core.turns import LONGEST_TURN, Line, Room, Turn, deal

NO_LIMITS = Room()


def line(root: int, count: int, *, rank: int = 0, gate: int = 0) -> Line:
    first = 1_000_000 * root + 10_000 * gate
    return Line(root=root, rank=rank, gate=gate, nodes=range(first, first + count))


def roots(keys: list[int]) -> list[int]:
    return [key // 1_000_000 for key in keys]


def test_each_dispatch_gets_one_on_its_turn() -> None:
    keys, turn = deal([line(1, 100), line(2, 100), line(3, 1)], 6, None, NO_LIMITS)
    assert roots(keys) == [1, 2, 3, 1, 2, 1]
    assert turn == Turn(rank=0, root=1, given=1)


def test_turns_go_on_where_they_ended() -> None:
    lines = [line(1, 100), line(2, 100), line(3, 100)]
    turn: Turn | None = None
    seen = []
    for _ in range(6):
        keys, turn = deal(lines, 1, turn, NO_LIMITS)
        seen += roots(keys)
    assert seen == [1, 2, 3, 1, 2, 3]


def test_turns_go_on_when_who_had_the_last_is_gone() -> None:
    keys, _ = deal([line(1, 9), line(5, 9)], 2, Turn(rank=0, root=3, given=1), NO_LIMITS)
    assert roots(keys) == [5, 1]


def test_a_higher_priority_comes_first_and_has_longer_turns() -> None:
    lines = [line(1, 100, rank=0), line(2, 100, rank=-3)]
    keys, _ = deal(lines, 10, None, NO_LIMITS)
    assert roots(keys) == [2, 2, 2, 2, 1, 2, 2, 2, 2, 1]


def test_a_long_turn_goes_on_in_the_next_poll() -> None:
    lines = [line(1, 100, rank=0), line(2, 100, rank=-3)]
    turn: Turn | None = None
    seen = []
    for _ in range(10):
        keys, turn = deal(lines, 1, turn, NO_LIMITS)
        seen += roots(keys)
    assert seen == [2, 2, 2, 2, 1, 2, 2, 2, 2, 1]


def test_no_priority_is_so_high_that_others_wait_for_good() -> None:
    lines = [line(1, 1), line(2, 1000, rank=-1_000_000)]
    keys, _ = deal(lines, LONGEST_TURN + 1, None, NO_LIMITS)
    assert roots(keys) == [2] * LONGEST_TURN + [1]


def test_within_a_dispatch_the_rank_decides_and_then_the_age() -> None:
    keys, _ = deal([line(1, 2, rank=1), line(1, 2, rank=0, gate=1)], 4, None, NO_LIMITS)
    assert keys == [1_010_000, 1_010_001, 1_000_000, 1_000_001]


def test_a_full_limit_lets_others_through() -> None:
    room = Room(gates={1: (7,)}, left={7: 2})
    keys, _ = deal([line(1, 50, gate=1), line(2, 3), line(3, 50, gate=1)], 20, None, room)
    assert Counter(roots(keys)) == {1: 1, 2: 3, 3: 1}


@pytest.mark.parametrize(("left", "room"), [({7: 3, 8: 1}, 1), ({7: 3, 8: -2}, 0), ({7: 3, 8: 4}, 3)])
def test_a_gate_lets_through_what_each_of_its_limits_does(left: dict[int, int], room: int) -> None:
    assert Room(gates={1: (7, 8)}, left=left).of(1) == room


def test_a_gate_whose_limits_are_gone_lets_all_through() -> None:
    assert Room(gates={1: ()}, left={}).of(1) is None
    keys, _ = deal([line(1, 5, gate=1)], 5, None, Room(gates={1: ()}, left={}))
    assert len(keys) == 5


LINES = st.lists(
    st.builds(line, st.integers(1, 6), st.integers(0, 20), rank=st.integers(-2, 2), gate=st.integers(0, 3)),
    max_size=12,
    unique_by=lambda made: (made.root, made.gate),
)
GATES = {1: (1,), 2: (2,), 3: (1, 2)}


@settings(deadline=None)
@given(
    lines=LINES,
    want=st.integers(1, 64),
    left=st.fixed_dictionaries({1: st.integers(-2, 8), 2: st.integers(-2, 8)}),
    after=st.none() | st.builds(Turn, rank=st.integers(-2, 2), root=st.integers(1, 6), given=st.integers(1, 5)),
)
def test_nothing_is_dealt_twice_or_beyond_a_limit_or_kept_back_without_reason(
    lines: list[Line], want: int, left: dict[int, int], after: Turn | None
) -> None:
    gates = {key: made.gate for made in lines for key in made.nodes}
    keys, _ = deal(lines, want, after, Room(gates=GATES, left=left))
    assert len(keys) == len(set(keys)) <= want
    used = Counter(limit for key in keys for limit in GATES.get(gates[key], ()))
    assert all(used[limit] <= max(0, number) for limit, number in left.items())
    if len(keys) < want:
        for key in gates.keys() - set(keys):
            assert any(used[limit] >= left[limit] for limit in GATES.get(gates[key], ()))


@settings(deadline=None)
@given(st.integers(2, 9), st.integers(1, 7), st.integers(1, 30))
def test_equals_share_equally_however_much_is_asked_for_at_a_time(dispatches: int, want: int, polls: int) -> None:
    lines = [line(root, 1000) for root in range(dispatches)]
    turn: Turn | None = None
    seen: list[int] = []
    for _ in range(polls):
        keys, turn = deal(lines, want, turn, NO_LIMITS)
        seen += roots(keys)
    assert all((first + 1) % dispatches == second for first, second in pairwise(seen))
