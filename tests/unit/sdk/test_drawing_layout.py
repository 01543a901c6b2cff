"""Where things are drawn: whatever the graph, nothing overlaps and every arrow arrives."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covalent.drawing.layout import BOX_HEIGHT, Layout, laid_out
from covalent.drawing.rows import BOX_GAP, LANE_GAP, nearest, rows_of

Pair = tuple[int, int]


@st.composite
def boxes_and_arrows(draw: st.DrawFn) -> tuple[list[float], list[Pair], list[float]]:
    widths = draw(st.lists(st.floats(30, 300), max_size=14))
    pairs = list(combinations(range(len(widths)), 2))
    arrows = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=40)) if pairs else []
    labels = draw(st.lists(st.floats(0, 90), min_size=len(arrows), max_size=len(arrows)))
    return widths, arrows, labels


@given(graph=boxes_and_arrows())
def test_boxes_stand_apart_and_inside_of_the_drawing(graph: tuple[list[float], list[Pair], list[float]]) -> None:
    widths, arrows, labels = graph
    layout = laid_out(widths, arrows, labels)
    assert len(layout.places) == len(widths)
    for place, width in zip(layout.places, widths, strict=True):
        assert place.width >= width
        assert place.x >= -0.01
        assert place.x + place.width <= layout.width + 0.01
        assert 0 <= place.y <= layout.height - BOX_HEIGHT
    for one, other in combinations(layout.places, 2):
        left, right = sorted((one, other), key=lambda place: place.x)
        assert one.y != other.y or left.x + left.width + min(BOX_GAP, LANE_GAP) <= right.x + 0.01


@given(graph=boxes_and_arrows())
def test_every_arrow_leads_down_from_its_box_to_the_other_around_all_between(
    graph: tuple[list[float], list[Pair], list[float]],
) -> None:
    widths, arrows, labels = graph
    layout = laid_out(widths, arrows, labels)
    for (source, target), way in zip(arrows, layout.ways, strict=True):
        first, last = layout.places[source], layout.places[target]
        assert way[0] == (first.x + first.width / 2, first.y + BOX_HEIGHT)
        assert way[-1][1] == last.y
        assert last.x < way[-1][0] < last.x + last.width
        assert len(way) % 2 == 0
        for (_, upper), (_, lower) in pairwise(way):
            assert upper < lower
        for (x, upper), (same, lower) in zip(way[1:-1:2], way[2:-1:2], strict=True):
            assert same == x
            assert lower - upper == BOX_HEIGHT
            assert -0.01 <= x <= layout.width + 0.01
            assert not any(place.y == upper and place.x < x < place.x + place.width for place in layout.places)


@given(graph=boxes_and_arrows())
def test_labels_have_room_between_the_arrows_that_end_on_a_box(
    graph: tuple[list[float], list[Pair], list[float]],
) -> None:
    widths, arrows, labels = graph
    layout = laid_out(widths, arrows, labels)
    for box, place in enumerate(layout.places):
        arriving = zip(arrows, layout.ways, labels, strict=True)
        ends = sorted((way[-1][0], label) for (_, target), way, label in arriving if target == box)
        if any(label for _, label in ends):
            for (x, label), (following, _) in pairwise(ends):
                assert x + label < following
            assert ends[-1][0] + ends[-1][1] <= place.x + place.width


def _crossings(layout: Layout) -> int:
    ends = [(way[0][0], way[-1][0]) for way in layout.ways]
    return sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in combinations(ends, 2))


def test_arrows_that_need_not_cross_do_not() -> None:
    layout = laid_out([60.0] * 6, [(0, 5), (1, 4), (2, 3)], [0.0] * 3)
    assert _crossings(layout) == 0


def test_a_chain_is_a_straight_line() -> None:
    layout = laid_out([60.0, 90.0, 30.0], [(0, 1), (1, 2)], [0.0, 0.0])
    assert len({round(place.x + place.width / 2, 3) for place in layout.places}) == 1
    assert [place.y for place in layout.places] == sorted({place.y for place in layout.places})


def test_what_is_needed_late_stands_just_above_what_needs_it() -> None:
    assert rows_of(4, [(0, 1), (1, 2), (3, 2)]) == [0, 1, 2, 1]


def test_without_boxes_the_drawing_has_no_size() -> None:
    assert laid_out([], [], []) == Layout(places=(), ways=(), width=0.0, height=0.0)


numbers = st.floats(-1000, 1000)


@given(
    items=st.lists(st.tuples(numbers, st.floats(0.5, 8), st.floats(0, 100)), min_size=1, max_size=12),
    moves=st.lists(st.floats(0, 50), min_size=12, max_size=12),
)
def test_no_other_positions_are_nearer_to_the_wanted_ones(
    items: list[tuple[float, float, float]], moves: list[float]
) -> None:
    wanted, weights, spaces = zip(*items, strict=True)
    gaps = spaces[1:]
    found = nearest(wanted, weights, gaps)
    assert all(right - left >= gap - 1e-6 for (left, right), gap in zip(pairwise(found), gaps, strict=True))
    cost = _distance(found, wanted, weights)
    widened = [x + sum(moves[: number + 1]) for number, x in enumerate(found)]
    for shift in (-sum(moves), -moves[0], 0.0, moves[0]):
        assert _distance([x + shift for x in widened], wanted, weights) >= cost - 1e-3


def _distance(found: list[float], wanted: tuple[float, ...], weights: tuple[float, ...]) -> float:
    return sum(weight * (x - want) ** 2 for x, want, weight in zip(found, wanted, weights, strict=True))


@pytest.mark.parametrize("wanted", [[0.0, 10.0, 30.0], [5.0]])
def test_what_has_room_stays_where_it_is_wanted(wanted: list[float]) -> None:
    assert nearest(wanted, [1.0] * len(wanted), [10.0] * (len(wanted) - 1)) == pytest.approx(wanted)
