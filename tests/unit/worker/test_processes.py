"""What a dead runner's status says."""

from __future__ import annotations

import pytest

from covalent.worker.messages import EXIT_CUT_OFF
from covalent.worker.processes import died_message


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (3, "exit code 3"),
        (-11, "signal 11 (SIGSEGV): a crash in compiled code"),
        (-9, "signal 9 (SIGKILL): probably the machine or its memory limit ran out of memory"),
        (-15, "signal 15 (SIGTERM)"),
        (-99, "signal 99 (unknown)"),
        (None, "closed file descriptors that it had not opened"),
        (EXIT_CUT_OFF, "closed file descriptors that it had not opened"),
    ],
)
def test_a_status_is_told_in_words(status: int | None, words: str) -> None:
    assert words in died_message(status)
