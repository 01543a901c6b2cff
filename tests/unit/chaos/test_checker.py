"""The checker of the crash campaign sees each of the faults that it is there for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.chaos.books import Node
from tests.chaos.checker import Acknowledged, Evidence, Line, counts, faults
from tests.chaos.deeds import Deed


@dataclass
class Books:
    """Books in memory."""

    status: str = "COMPLETED"
    gone: bool = False
    fired: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def firings(self) -> dict[str, int]:
        return self.fired

    def dispatches(self) -> dict[str, dict[str, Any]]:
        return {} if self.gone else {"d1": {"status": self.status, "error": None}}

    def unfinished(self) -> list[str]:
        return self.open

    def damages(self) -> list[str]:
        return self.damaged


NODE = Node(
    key=7,
    dispatch="d1",
    label="1/square",
    once=False,
    state="COMPLETED",
    attempt=1,
    fenced=1,
    losses=0,
    output="aa",
    error=None,
    completions=1,
    leased_again=False,
)
ACKNOWLEDGED = Acknowledged(outcome="COMPLETED", node=7, attempt=1, output="aa", worker=10, at=11.0)


def line(label: str, *more: str, at: float = 0.0, runner: int = 100, worker: int = 10) -> Line:
    return Line(label=label, more=more, runner=runner, worker=worker, at=at)


def sound() -> Evidence:
    """A workflow of one task, which is as it should be."""
    return Evidence(
        books=Books(),  # type: ignore[arg-type]  # what is asked of it
        deeds=[],
        acknowledged=[ACKNOWLEDGED],
        nodes=[NODE],
        lines={
            "sent": [line("1", "usual", "d1")],
            "begin": [line("1/square", at=10.0)],
            "end": [line("1/square", at=10.5)],
            "told": [line("1", "COMPLETED", "True")],
        },
    )


def again(evidence: Evidence, at: float = 10.9) -> None:
    """The task begins a second time, in another runner."""
    evidence.lines["begin"].append(line("1/square", at=at, runner=200))


def killed(pid: int, at: float = 10.2) -> Deed:
    return Deed(number=0, point="outside", pid=pid, role="worker", at=at)


def test_what_is_sound_has_no_fault() -> None:
    assert faults(sound()) == []
    assert counts(sound())["acknowledged results"] == counts(sound())["tasks"] == 1


@pytest.mark.parametrize("pid", [100, 10], ids=["runner", "worker"])
def test_a_repetition_whose_runner_or_worker_was_killed_is_explained(pid: int) -> None:
    evidence = sound()
    again(evidence)
    evidence.deeds = [killed(pid)]
    assert faults(evidence) == []
    assert counts(evidence)["repeated executions"] == 1


def test_a_replacement_that_was_leased_before_the_late_result_came_may_have_begun_after_it() -> None:
    evidence = sound()
    _after_the_acknowledgement(evidence)
    assert [fault.promise for fault in faults(evidence)] == ["twice"]
    evidence.nodes = [replace(NODE, attempt=2)]
    assert faults(evidence) == []


def test_a_repetition_after_the_tasks_own_failure_is_explained() -> None:
    evidence = sound()
    again(evidence)
    evidence.lines["fail"] = [line("1/square", at=10.1)]
    assert faults(evidence) == []


def test_what_its_user_has_deleted_is_not_lost() -> None:
    evidence = sound()
    evidence.books = Books(gone=True)  # type: ignore[assignment]  # as above
    evidence.nodes = []
    assert faults(evidence) != []
    evidence.lines["purging"] = [line("1")]
    assert faults(evidence) == []
    evidence.acknowledged = [replace(ACKNOWLEDGED, node=number) for number in range(10)]
    assert faults(evidence) != []


@pytest.mark.parametrize(
    "error",
    [
        "its worker died after the task had begun. … it is not begun again, because it has at_most_once=True: …",
        "its process was killed by signal 9 (SIGKILL)",
    ],
)
def test_what_is_never_begun_twice_may_be_given_up_when_it_was_lost_and_its_late_result_with_it(error: str) -> None:
    evidence = sound()
    evidence.books = Books(status="FAILED")  # type: ignore[assignment]  # as above
    evidence.nodes = [replace(NODE, once=True, state="FAILED", error=error, completions=0)]
    assert faults(evidence) == []
    assert counts(evidence)["of them given up"] == 1


def _once_more(evidence: Evidence) -> None:
    """It is never to be begun twice, and begins again; for any other task that would be explained."""
    again(evidence)
    evidence.deeds = [killed(100)]
    evidence.nodes = [replace(NODE, once=True)]


def _purged(evidence: Evidence) -> None:
    evidence.lines |= {"purging": [line("1")], "purged": [line("1")]}


def _set(**changes: Any) -> Callable[[Evidence], None]:
    def change(evidence: Evidence) -> None:
        evidence.nodes = [replace(NODE, **changes)]

    return change


def _books(**changes: Any) -> Callable[[Evidence], None]:
    def change(evidence: Evidence) -> None:
        evidence.books = Books(**changes)  # type: ignore[assignment]  # as above

    return change


def _told(word: str, *lines: Line) -> Callable[[Evidence], None]:
    def change(evidence: Evidence) -> None:
        evidence.lines[word] = list(lines)

    return change


def _killed_too_early(evidence: Evidence) -> None:
    again(evidence)
    evidence.deeds = [killed(100, at=5.0)]


def _after_the_acknowledgement(evidence: Evidence) -> None:
    again(evidence, at=11.5)
    evidence.deeds = [killed(100, at=11.2)]


def _twice(evidence: Evidence) -> None:
    evidence.nodes = [NODE, replace(NODE, key=8, dispatch="d2")]


@pytest.mark.parametrize(
    ("promise", "spoil"),
    [
        pytest.param("lost", _set(state="READY"), id="an acknowledged result that is to be made again"),
        pytest.param("lost", lambda evidence: setattr(evidence, "nodes", []), id="an acknowledged result that is gone"),
        pytest.param("lost", _told("sent", line("1", "usual", "gone")), id="a workflow that is gone"),
        pytest.param("lost", _books(status="FAILED"), id="a workflow that failed"),
        pytest.param("lost", _purged, id="a workflow that was deleted and is there"),
        pytest.param("lost", _told("told", line("1", "COMPLETED", "False")), id="another value"),
        pytest.param("lost", _told("puzzled", line("1", "usual")), id="a user with an error"),
        pytest.param("lost", _books(damaged=["bytes"]), id="an output without its bytes"),
        pytest.param("lost", _set(completions=0), id="a completion without its event"),
        pytest.param("twice", _set(completions=2), id="two completions"),
        pytest.param("twice", _set(leased_again=True), id="a lease after the completion"),
        pytest.param("twice", _set(output="bb"), id="another output than was acknowledged"),
        pytest.param("twice", _after_the_acknowledgement, id="a task that begins after its acknowledgement"),
        pytest.param("twice", _twice, id="a workflow that is there twice"),
        pytest.param("twice", _once_more, id="a task that is never to be begun twice and begins again"),
        pytest.param(
            "unexplained", _set(once=True, state="FAILED", error="no"), id="one that was given up for nothing"
        ),
        pytest.param("stuck", _books(open=["d1"]), id="a workflow that has not ended"),
        pytest.param("unexplained", again, id="a repetition while all lived"),
        pytest.param("unexplained", _killed_too_early, id="a repetition whose runner was killed before it began"),
        pytest.param("unexplained", _set(losses=4), id="more losses than there may be"),
    ],
)
def test_a_fault_is_seen(promise: str, spoil: Callable[[Evidence], None]) -> None:
    evidence = sound()
    spoil(evidence)
    assert promise in {fault.promise for fault in faults(evidence)}


@pytest.mark.parametrize(("firings", "found"), [(1, []), (0, ["twice"]), (2, ["lost"])])
def test_each_firing_of_a_trigger_gives_one_run(firings: int, found: list[str]) -> None:
    evidence = sound()
    evidence.books = Books(fired={"d1": firings})  # type: ignore[assignment]  # as above
    evidence.nodes = [replace(NODE, label="1/fired")]
    evidence.lines |= {"sent": [line("1", "triggered", "d1")], "begin": [line("1/fired", at=10.0)]}
    assert [fault.promise for fault in faults(evidence)] == found
