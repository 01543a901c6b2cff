"""Shell commands of tasks that run in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

import covalent as ct
from covalent.hooks import CommandError


def test_commands_run_before_the_calls_and_the_function(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def write(text: str) -> None:
        with log.open("a") as file:
            file.write(text)

    @ct.electron(
        deps_bash=[f"printf 'one ' >> {log}", f"printf 'two ' >> {log}"], call_before=ct.DepsCall(write, ("call ",))
    )
    def task() -> str:
        write("task")
        return log.read_text()

    assert ct.testing.run(ct.lattice(task))() == "one two call task"


def test_a_command_that_fails_fails_its_task() -> None:
    @ct.electron(deps_bash="exit 7")
    def task() -> None:
        """Never runs."""

    with pytest.raises(
        CommandError, match=r"the command 'exit 7' of deps_bash of task ended with exit status 7"
    ) as raised:
        ct.testing.run(ct.lattice(task))()
    assert raised.value.__notes__ == ["in the task task(0)"]
