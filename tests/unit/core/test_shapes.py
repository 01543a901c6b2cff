from __future__ import annotations

import random
from itertools import accumulate

import pytest

from covalent_server.core.shapes import LETTERS, Drawn, differences, grouped, numbered, shape
from covalent_server.core.states import NodeState


def test_every_state_has_a_letter_of_its_own() -> None:
    assert LETTERS.keys() == set(NodeState)
    assert len(set(LETTERS.values())) == len(NodeState)
    assert all(len(letter) == 1 for letter in LETTERS.values())


@pytest.mark.parametrize("numbers", [[], [7], [0, 1, 2], [5, 3, 9, 9]])
def test_differences_add_up_to_the_numbers(numbers: list[int]) -> None:
    assert list(accumulate(differences(numbers))) == numbers


def test_words_are_told_once() -> None:
    assert numbered(["f", "g", "f"]) == (("f", "g"), (0, 1, 0))


def test_a_fan_out_is_one_group_between_its_ends() -> None:
    # 0 -> 1..5 -> 6
    pairs = [(0, item) for item in range(1, 6)] + [(item, 6) for item in range(1, 6)]
    assert grouped(["a", *"bbbbb", "c"], pairs) == (0, 1, 1, 1, 1, 1, 2)


def test_chains_side_by_side_are_grouped_step_by_step() -> None:
    # three times f -> g, each with a neighbour of its own
    assert grouped(["f", "g"] * 3, [(0, 1), (2, 3), (4, 5)]) == (0, 1, 0, 1, 0, 1)


def test_tasks_of_one_function_after_each_other_are_no_group() -> None:
    assert len(set(grouped(["f"] * 30, [(item, item + 1) for item in range(29)]))) == 30


def test_groups_lead_into_each_other_in_one_direction() -> None:
    chance = random.Random(7)  # noqa: S311 - no secret
    labels = [chance.choice("abc") for _ in range(300)]
    pairs = sorted({(source, chance.randrange(source + 1, 300)) for source in range(299) for _ in range(2)})
    groups = grouped(labels, pairs)
    arrows = {(groups[source], groups[target]) for source, target in pairs}
    assert all(source != target for source, target in arrows)
    assert not {(target, source) for source, target in arrows} & arrows


def test_a_shape_has_its_pairs_in_the_order_of_the_children() -> None:
    nodes = [Drawn(number=number, name="f", kind="task", executor="local") for number in (0, 1, 4)]
    found = shape(nodes, [(1, 2), (0, 2), (0, 1)])
    assert (found.ids, found.sources, found.targets) == ((0, 1, 3), (0, 0, 1), (1, 1, 0))
    assert (found.names, found.executors, found.kinds) == (("f",), ("local",), ("task",))
