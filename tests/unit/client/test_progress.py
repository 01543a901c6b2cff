"""What is seen while a dispatch is waited for: by whom, when, and what is left of it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from covalent.client.progress import Progress, Standing
from covalent.client.views import Notebook, Terminal, view
from covalent.client.waiting import wait_until_ended
from covalent.connection import connect
from covalent.status import Status
from covalent.transportable import TransportableObject
from covalent.wire.records import DispatchRecord
from tests.unit.client.fake_server import FakeServer, a_record

COUNTS = {Status.COMPLETED: 2, Status.FAILED: 1, Status.RUNNING: 3, Status.DISPATCHING: 1, Status.NEW_OBJECT: 1993}
RECORD = replace(a_record("it"), node_counts={str(status): count for status, count in COUNTS.items()})


class Seen:
    """A view that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.first = threading.Event()

    def show(self, standing: Standing) -> None:
        self.told.append(f"{standing.status} {standing.text}")
        self.first.set()

    def clear(self) -> None:
        self.told.append("cleared")

    def close(self) -> None:
        self.told.append("closed")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Tty(io.StringIO):
    """A terminal in memory."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the base class has an attribute of that name
        return self._encoding

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """What was written over itself, each time."""
        return [line.removesuffix("\x1b[K") for line in self.getvalue().split("\r") if line]


# -- when


def test_nothing_is_shown_in_the_first_half_second() -> None:
    seen, clock = Seen(), Clock()
    with Progress(seen, clock) as progress:
        clock.now += 0.4
        progress.tell(RECORD)
        assert seen.told == []
        clock.now += 0.1
        progress.tell(RECORD)
        clock.now += 71.0
        progress.tell(RECORD)
    assert seen.told == [
        "RUNNING 3/2,000 done, 4 running, 1 failed, 0:00",
        "RUNNING 3/2,000 done, 4 running, 1 failed, 1:11",
        "closed",
    ]


def test_an_end_that_comes_before_anything_was_shown_is_not_shown_either() -> None:
    seen, clock = Seen(), Clock()
    with Progress(seen, clock) as progress:
        clock.now += 9.0
        progress.tell(replace(RECORD, status=Status.COMPLETED))
    assert seen.told == ["closed"]


def test_the_end_is_shown_after_something_was() -> None:
    seen, clock = Seen(), Clock()
    with Progress(seen, clock) as progress:
        clock.now += 3723.0
        progress.tell(RECORD)
        progress.tell(replace(RECORD, status=Status.COMPLETED, node_counts={"COMPLETED": 2000}))
    assert seen.told[1:] == ["COMPLETED 2,000/2,000 done, 0 running, 1:02:03", "closed"]


def test_tasks_that_wait_for_their_packages_are_told() -> None:
    seen, clock = Seen(), Clock()
    with Progress(seen, clock) as progress:
        clock.now += 9.0
        progress.tell(replace(RECORD, preparing=2))
    assert seen.told[0] == "RUNNING 3/2,000 done, 4 running (2 installing packages), 1 failed, 0:09"


def test_a_line_that_stays_makes_room_for_itself(capsys: pytest.CaptureFixture[str]) -> None:
    seen = Seen()
    Progress(seen).say("the server is away")
    assert seen.told == ["cleared"]
    assert capsys.readouterr().err == "the server is away\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_whatever_ends_the_waiting_closes_the_view(error: type[BaseException]) -> None:
    seen = Seen()
    with pytest.raises(error), Progress(seen):
        raise error
    assert seen.told == ["closed"]


# -- waiting


def _waited(server: FakeServer, look: Callable[[], Any]) -> DispatchRecord:
    return wait_until_ended(connect(server.url), "it", look=look).record


def test_where_nobody_looks_one_question_takes_half_a_minute(server: FakeServer) -> None:
    server.records["it"] = RECORD
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(_waited, server, lambda: None)
        server.wait_until_somebody_waits()
        server.finish("it", TransportableObject(1).serialize())
        assert waiting.result(timeout=30).status is Status.COMPLETED
    assert server.asked == ["GET /dispatches/it?wait=30.0"]


def test_where_somebody_looks_the_server_is_asked_often_and_the_end_closes_the_view(server: FakeServer) -> None:
    server.records["it"] = RECORD
    seen = Seen()
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(_waited, server, lambda: seen)
        assert seen.first.wait(30)
        server.finish("it", TransportableObject(1).serialize())
        assert waiting.result(timeout=30).status is Status.COMPLETED
    assert set(server.asked) == {"GET /dispatches/it?wait=0.5"}
    assert seen.told[0].startswith("RUNNING 3/2,000 done")
    assert seen.told[-2].startswith("COMPLETED")
    assert seen.told[-1] == "closed"


# -- a terminal


STANDING = Standing.of(RECORD, 71.0)


def test_a_terminals_line_is_written_over_itself_and_erased_in_the_end() -> None:
    stream = Tty()
    terminal = Terminal(stream)
    terminal.show(STANDING)
    terminal.show(replace(STANDING, done=1000))
    terminal.close()
    assert stream.lines == [
        "workflow ░░░░░░░░░░░░░░░░░░░░░░░░ 3/2,000 done, 4 running, 1 failed, 1:11",
        "workflow ████████████░░░░░░░░░░░░ 1,000/2,000 done, 4 running, 1 failed, 1:11",
        "",
    ]


def test_a_terminal_that_was_never_used_is_left_alone() -> None:
    stream = Tty()
    terminal = Terminal(stream)
    terminal.clear()
    terminal.close()
    assert stream.getvalue() == ""


@pytest.mark.parametrize("name", ["w" * 200, "数" * 100, "two\nlines \x1b[31m"])
@pytest.mark.parametrize("total", [0, 2000, 10**40])
def test_the_line_never_wraps_and_carries_no_codes_of_a_name(name: str, total: int) -> None:
    stream = Tty()
    terminal = Terminal(stream)
    terminal.show(replace(STANDING, name=name, total=total, done=total // 2))
    terminal.close()
    line = stream.lines[0]
    assert line.isprintable()
    assert sum(2 if letter == "数" else 1 for letter in line) < 80


def test_a_terminal_of_few_letters_gets_a_plain_bar() -> None:
    stream = Tty("ascii")
    terminal = Terminal(stream)
    terminal.show(replace(STANDING, name="größe", done=1000))
    terminal.close()
    assert stream.lines[0].startswith("gr??e ############............ ")


def test_of_two_waitings_one_has_the_terminal_until_it_ends() -> None:
    first, second = Terminal(Tty()), Terminal(stream := Tty())
    first.show(STANDING)
    second.show(STANDING)
    assert stream.getvalue() == ""
    first.close()
    second.show(STANDING)
    second.close()
    assert stream.lines[0].startswith("workflow ")


def test_a_terminal_that_goes_away_ends_no_waiting() -> None:
    stream = Tty()
    terminal = Terminal(stream)
    terminal.show(STANDING)
    stream.close()
    terminal.show(STANDING)
    terminal.close()


# -- a notebook


class Display:
    """IPython's ``display``, and the handle that it returns."""

    def __init__(self) -> None:
        self.outputs: list[Any] = []
        self.updates: list[Any] = []

    def __call__(self, output: Any, *, display_id: bool) -> Display:
        assert display_id
        self.outputs.append(output)
        return self

    def update(self, output: Any) -> None:
        self.updates.append(output)


def test_a_notebook_has_one_output_which_is_kept_up_to_date() -> None:
    display = Display()
    notebook = Notebook(display)
    notebook.show(replace(STANDING, name="<w>"))
    notebook.clear()
    notebook.show(STANDING)
    notebook.close()
    (output,) = display.outputs
    assert repr(output) == "<w> 3/2,000 done, 4 running, 1 failed, 1:11"
    html = output._repr_html_()
    assert html.startswith('<div><strong>&lt;w&gt;</strong> <progress value="3" max="2000"></progress> 3/2,000 done')
    assert [repr(update) for update in display.updates] == [
        "workflow 3/2,000 done, 4 running, 1 failed, 1:11",
        "workflow 3/2,000 done, 4 running, 1 failed, 1:11, when left",
    ]
    assert "<progress" not in display.updates[-1]._repr_html_()


def test_a_notebook_keeps_how_it_ended() -> None:
    display = Display()
    notebook = Notebook(display)
    notebook.show(replace(STANDING, status=Status.FAILED))
    notebook.close()
    assert repr(display.updates[-1]).startswith("workflow FAILED: 3/2,000 done")


def test_a_notebook_in_which_nothing_was_shown_has_no_output() -> None:
    display = Display()
    Notebook(display).close()
    assert display.outputs == []


# -- where


def _look(monkeypatch: pytest.MonkeyPatch, stream: object, **environ: str) -> object:
    """Look for a view in a process with this standard error; pytest puts its own there before each test's body."""
    monkeypatch.delenv("COVALENT_PROGRESS", raising=False)
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    for name, value in {"TERM": "xterm", **environ}.items():
        monkeypatch.setenv(name, value)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        return view()


def test_a_terminal_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(_look(monkeypatch, Tty()), Terminal)
    assert isinstance(_look(monkeypatch, Tty(), COVALENT_PROGRESS="1"), Terminal)


@pytest.mark.parametrize("environ", [{"COVALENT_PROGRESS": "0"}, {"COVALENT_PROGRESS": " Off"}, {"TERM": "dumb"}])
def test_the_environment_can_say_that_nobody_looks(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    assert _look(monkeypatch, Tty(), **environ) is None


@pytest.mark.parametrize("stream", [None, io.StringIO(), object()])
def test_what_is_no_terminal_is_not_looked_at(monkeypatch: pytest.MonkeyPatch, stream: object) -> None:
    assert _look(monkeypatch, stream) is None


def test_a_closed_stream_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    assert _look(monkeypatch, stream) is None


def test_ipython_is_not_loaded_where_it_is_installed_and_not_used() -> None:
    program = (
        "import json, sys; from covalent.client import views; views.view(); print(json.dumps(sorted(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "IPython" not in json.loads(run.stdout)


@pytest.mark.parametrize(("shell", "expected"), [("plain", "Terminal"), ("kernel", "Notebook"), ("none", "Terminal")])
def test_of_ipythons_shells_only_a_kernel_shows_outputs(shell: str, expected: str) -> None:
    program = (
        "import os, sys, types, IPython\n"
        f"shell = {{'none': None, 'plain': object(), 'kernel': types.SimpleNamespace(kernel=1)}}[{shell!r}]\n"
        "IPython.get_ipython = lambda: shell\n"
        "sys.stderr.isatty = lambda: True\n"
        "os.environ['TERM'] = 'xterm'\n"
        "from covalent.client import views\n"
        "print(type(views.view()).__name__)"
    )
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == expected
