"""What a runner tells its supervisor of secrets."""

from __future__ import annotations

import os

import pytest

from covalent.worker.disclosures import Disclosures, disclose


def test_what_was_told_is_hidden() -> None:
    disclosures = Disclosures()
    assert not disclosures.masks()
    disclose(disclosures.descriptor, "a long\nword")
    disclose(disclosures.descriptor, "another word")
    assert disclosures.masks().text("<a long\nword|another word>") == "<***********|************>"
    disclose(disclosures.descriptor, "a third word")
    assert disclosures.masks().text("<a third word>") == "<************>"
    disclosures.close()


@pytest.mark.parametrize("written", [b"not json\n", b"[1]\n", b"null\n", b"\xff\n", b"\n\n"])
def test_what_a_task_writes_there_hides_nothing_and_hurts_nobody(written: bytes) -> None:
    disclosures = Disclosures()
    os.write(disclosures.descriptor, written)
    assert not disclosures.masks()
    disclose(disclosures.descriptor, "a long word")
    assert disclosures.masks().text("a long word") == "*" * 11
    disclosures.close()


def test_what_cannot_be_told_is_an_error() -> None:
    disclosures = Disclosures()
    disclosures.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        disclose(disclosures.descriptor, "a long word")
