"""The fake server of the client's tests, and the commands asked of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from covalent.commands.command import main
from tests.unit.client.conftest import server as server  # noqa: PLC0414  a fixture is taken over by its name


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def plain(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run ``python -m covalent`` with arguments, in this process."""

    def ask(*arguments: str) -> Said:
        try:
            code = main(list(arguments))
        except SystemExit as left:
            code = int(left.code or 0)
        printed = capsys.readouterr()
        return Said(code=code, out=printed.out, err=printed.err)

    return ask
