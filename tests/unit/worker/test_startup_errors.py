"""What a user is told when no runner can be started."""

from __future__ import annotations

import pytest

from covalent.worker.process import interpreter_error


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("ModuleNotFoundError: No module named 'covalent'", "run: /p/bin/python -m pip install covalent-sdk"),
        ("Unknown option: -P\nusage: python [option] ...", "tasks need Python 3.11 or later"),
        ("unknown option -P", "tasks need Python 3.11 or later"),
        ("Permission denied", "give the executor's `python` an interpreter of this machine"),
    ],
)
def test_the_reason_comes_with_what_to_do(reason: str, advice: str) -> None:
    message = interpreter_error("/p/bin/python", reason)
    assert message.startswith(f"the interpreter /p/bin/python cannot run tasks: {reason}\n{advice}")
