"""Pauses grow to a bound and end with the first answer."""

from __future__ import annotations

from covalent.worker.contact import Contact
from covalent.worker.settings import Patience


def test_pauses_grow_to_their_bound() -> None:
    contact = Contact(Patience(first_pause=0.1, longest_pause=1.0))
    pauses = []
    for _ in range(6):
        contact.failed(100.0, 1.0, OSError("gone"))
        pauses.append(round(contact.not_before - 100.0, 3))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_chance_shortens_a_pause_by_at_most_half() -> None:
    contact = Contact(Patience(first_pause=0.2))
    contact.failed(0.0, 0.0, OSError("gone"))
    assert contact.not_before == 0.1


def test_an_answer_ends_the_loss() -> None:
    contact = Contact(Patience())
    contact.failed(5.0, 0.5, OSError("gone"))
    contact.failed(6.0, 0.5, OSError("gone"))
    assert contact.lost_for(8.0) == 3.0
    contact.kept()
    assert contact.lost_for(9.0) == 0.0
    assert contact.not_before == 0.0
