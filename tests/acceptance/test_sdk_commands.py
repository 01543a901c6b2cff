"""``python -m covalent`` against a real server, from an account that has only the SDK and no token yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.programs import Project
from tests.installation import PATIENCE, wait_until


class Account:
    """Somebody with settings of their own."""

    def __init__(self, directory: Path, project: Project) -> None:
        installation = project.installation
        self.token = installation.token
        self.environ = installation.environ | {"COVALENT_CONFIG_DIR": str(directory), "HOME": str(directory)}

    def ask(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "covalent", *arguments],
            env=self.environ,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )


@pytest.fixture
def account(tmp_path: Path, project: Project) -> Account:
    return Account(tmp_path / "account", project)


@pytest.fixture
def logged_in(account: Account) -> Account:
    done = account.ask("login", given=account.token)
    assert done.returncode == 0, done.stderr
    return account


def test_without_a_token_nothing_is_told_until_one_is_kept(account: Account) -> None:
    refused = account.ask("show")
    assert refused.returncode == 21
    assert "there is none" in refused.stderr
    assert account.ask("login", given="x" * 43).returncode == 21
    assert account.ask("login", given=account.token).returncode == 0
    assert account.ask("show").returncode == 0


def test_a_token_that_is_typed_is_not_shown(account: Account) -> None:
    keyboard, terminal = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "covalent", "login"],
        env=account.environ,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        screen = read_until(keyboard, b"Token for ")
        os.write(keyboard, f"{account.token}\n".encode())
        screen += read_until(keyboard, b"is kept in")
        assert process.wait(PATIENCE) == 0
    os.close(keyboard)
    assert account.token.encode() not in screen
    assert account.ask("show").returncode == 0


def read_until(keyboard: int, words: bytes) -> bytes:
    screen = b""
    while words not in screen:
        screen += os.read(keyboard, 1000)
    return screen


def test_a_dispatch_is_found_shown_and_its_value_had(logged_in: Account, project: Project, tmp_path: Path) -> None:
    project.workflow(
        """
        @ct.electron
        def squares(n):
            return {x: x * x for x in range(n)}


        @ct.lattice
        def workflow(n):
            return squares(n)
        """
    )
    told = project.run(3)
    listed = json.loads(logged_in.ask("show", "--json", "--name", "workflow").stdout)
    assert told.dispatch_id in [found["dispatch_id"] for found in listed["dispatches"]]

    shown = logged_in.ask("show", told.dispatch_id)
    assert "status: COMPLETED" in shown.stdout
    assert "squares" in shown.stdout.splitlines()[-1]

    assert logged_in.ask("result", told.dispatch_id, "--wait").stdout == "{0: 0, 1: 1, 2: 4}\n"
    assert logged_in.ask("result", told.dispatch_id, "--open").stdout == "{0: 0, 1: 1, 2: 4}\n"
    file = tmp_path / "value"
    assert logged_in.ask("result", told.dispatch_id, "--output", str(file)).returncode == 0
    program = "import sys, covalent as ct; print(ct.TransportableObject.from_file(sys.argv[1]).get_deserialized()[2])"
    done = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True, check=True)
    assert done.stdout == "4\n"


def test_a_failure_ends_with_its_own_code_and_the_traceback(logged_in: Account, project: Project) -> None:
    project.workflow(
        """
        @ct.electron
        def fail():
            raise LookupError("\\x1b[31mred\\x1b[0m")


        @ct.lattice
        def workflow():
            return fail()
        """
    )
    done = logged_in.ask("result", project.run().dispatch_id)
    assert (done.returncode, done.stdout) == (23, "")
    assert r"LookupError: \x1b[31mred\x1b[0m" in done.stderr
    assert "\x1b" not in done.stderr


def test_what_runs_is_cancelled(logged_in: Account, project: Project) -> None:
    project.workflow(
        """
        import threading


        @ct.electron
        def endless():
            threading.Event().wait()


        @ct.lattice
        def workflow():
            return endless()
        """
    )
    with project.start() as program:
        dispatch_id = program.dispatch_id()
        wait_until(lambda: "1 RUNNING" in logged_in.ask("show", dispatch_id).stdout, "the task to run")
        assert logged_in.ask("result", dispatch_id).returncode == 24
        done = logged_in.ask("cancel", dispatch_id)
        assert done.returncode == 0, done.stderr
        assert dispatch_id in done.stdout
        assert logged_in.ask("result", dispatch_id, "--wait").returncode == 23
        assert program.told().status == "CANCELLED"


def test_an_unknown_dispatch_has_its_own_code(logged_in: Account) -> None:
    assert [logged_in.ask(command, "none").returncode for command in ("show", "result", "cancel")] == [22] * 3


def test_without_a_server_the_code_says_so(account: Account) -> None:
    assert account.ask("show", "--server", "http://localhost:1").returncode == 20
