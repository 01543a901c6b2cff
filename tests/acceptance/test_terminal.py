"""Programs that wait on a terminal, which shows how far the dispatch has come, and in pipes, where nobody looks."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.programs import Project

#: Dispatches, or waits for the dispatch whose id is on the command line.
SCRIPT = """
    import sys

    import covalent as ct


    @ct.electron
    def receive(pipe):
        with open(pipe) as file:
            return int(file.read())


    @ct.lattice
    def workflow(pipe):
        return receive(pipe)


    dispatch_id = sys.argv[2] if len(sys.argv) > 2 else ct.dispatch(workflow)(sys.argv[1])
    print(dispatch_id, flush=True)
    print(ct.get_result(dispatch_id, wait=True).result)
    """
WORDS = b"0/1 done, 1 running, 0:0"


class Terminal:
    """A terminal on which a program complains, as long as the program runs."""

    def __init__(self, primary: int) -> None:
        self._primary = primary
        self.seen = b""

    def read(self) -> bool:
        """Take in what was written; False when the program has ended."""
        try:
            more = os.read(self._primary, 65536)
        except OSError:  # nobody has the other side open any more
            more = b""
        self.seen += more
        return bool(more)

    def read_all(self) -> None:
        while self.read():
            pass

    def read_until(self, words: bytes) -> None:
        while words not in self.seen:
            assert self.read(), self.seen

    @property
    def left(self) -> str:
        """What stands on the screen after all: a line begins anew with a return, and is erased to its end."""
        lines = self.seen.decode().replace("\r\n", "\n").split("\n")
        return "\n".join(line.rpartition("\r")[2].removeprefix("\x1b[K") for line in lines)


@contextmanager
def started(
    project: Project, *arguments: str, stderr: int = subprocess.PIPE, **environ: str
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "script.py", *arguments],
        cwd=project.directory,
        env=project.installation.environ | {"TERM": "xterm"} | environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def on_a_terminal(
    project: Project, *arguments: str, **environ: str
) -> Iterator[tuple[subprocess.Popen[str], Terminal]]:
    primary, secondary = pty.openpty()
    with started(project, *arguments, stderr=secondary, **environ) as process:
        os.close(secondary)
        yield process, Terminal(primary)
    os.close(primary)


@pytest.fixture
def pipe(project: Project) -> Path:
    """What the task reads from, so that it ends when the test says so."""
    project.write("script.py", SCRIPT)
    path = project.directory / "pipe"
    os.mkfifo(path)
    return path


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _wait_until_asleep(process: subprocess.Popen[str]) -> None:
    """Until it waits for the server's answer: Python drops an interrupt that comes while an old response is finalized.

    ``iobase_finalize`` in CPython's ``Modules/_io/iobase.c`` clears whatever its call of ``close`` raises.
    """
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2][0] != "S":
        os.sched_yield()


def test_who_waits_on_a_terminal_sees_it_and_who_waits_in_a_pipe_nothing(project: Project, pipe: Path) -> None:
    with started(project, str(pipe)) as quiet:
        dispatch_id = _line(quiet)
        with on_a_terminal(project, str(pipe), dispatch_id) as (process, terminal):
            terminal.read_until(WORDS)
            pipe.write_text("42")
            terminal.read_all()
            assert (_line(process), _line(process)) == (dispatch_id, "42")
        assert _line(quiet) == "42"
        assert quiet.stderr is not None
        assert quiet.stderr.read() == ""
    assert b"\rworkflow " in terminal.seen
    assert terminal.left == ""


def test_an_interrupted_waiting_leaves_the_traceback_alone(project: Project, pipe: Path) -> None:
    with on_a_terminal(project, str(pipe)) as (process, terminal):
        dispatch_id = _line(process)
        terminal.read_until(WORDS)
        _wait_until_asleep(process)
        process.send_signal(signal.SIGINT)
        terminal.read_all()
    pipe.write_text("42")
    assert terminal.left.startswith("Traceback")
    assert f"the dispatch {dispatch_id} goes on" in terminal.left
    assert "done, " not in terminal.left


def test_the_environment_can_say_that_nothing_be_shown(project: Project, pipe: Path) -> None:
    with on_a_terminal(project, str(pipe), COVALENT_PROGRESS="0") as (told, silent):
        dispatch_id = _line(told)
        with on_a_terminal(project, str(pipe), dispatch_id) as (_, terminal):
            terminal.read_until(WORDS)
            pipe.write_text("42")
            silent.read_all()
    assert silent.seen == b""
