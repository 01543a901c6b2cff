"""Programs on a real server with real workers: a user in a process of its own dispatches them, side by side."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from tests.installation import Installation
from tests.random_lattices import checks
from tests.random_lattices.description import described
from tests.random_lattices.language import Attempts, Program, Redispatch
from tests.random_lattices.model import Dispatch, Outcome

_ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the user told of a dispatch."""

    dispatch_id: str
    status: str
    #: Described; None when there is none.
    value: str | None
    error: str | None


class User:
    """The process of ``client``, whose environment has numpy and the SDK."""

    def __init__(self, installation: Installation, python: str) -> None:
        self._installation = installation
        self._process = subprocess.Popen(
            [python, "-m", "tests.random_lattices.client"],
            cwd=_ROOT,
            env=installation.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def dispatch(self, programs: Sequence[Program]) -> list[Told]:
        """Dispatch programs, all at once, and wait for their ends."""
        return self._ordered(
            {"script": str(program), "arguments": [constant.text for constant in program.arguments]}
            for program in programs
        )

    def dispatch_scripts(self, scripts: Sequence[str]) -> list[Told]:
        """Dispatch the workflows of scripts that need no arguments, all at once, and wait for their ends."""
        return self._ordered({"script": script, "arguments": []} for script in scripts)

    def redispatch(self, dispatch_ids: Sequence[str], replaced: Sequence[Collection[str]]) -> list[Told]:
        """Run dispatches again, all at once, with what has completed taken over; what is replaced in each."""
        pairs = zip(dispatch_ids, replaced, strict=True)
        return self._ordered({"dispatch_id": dispatch_id, "replace": [*names]} for dispatch_id, names in pairs)

    def nodes(self, dispatch_id: str) -> list[dict[str, Any]]:
        """The nodes of a dispatch, as the server describes them."""
        answer = self._installation.request("GET", f"/api/v1/dispatches/{dispatch_id}/nodes")
        assert answer.status == 200, answer
        found: list[dict[str, Any]] = answer.plain["nodes"]
        return found

    def _ordered(self, orders: Any) -> list[Told]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(list(orders)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the user's process ended with {self._process.wait()}; what it complained of is above"
        return [Told(**told) for told in json.loads(line)]


def check_dispatches(user: User, programs: Sequence[Program]) -> None:
    """Dispatched, each program gives what the model and plain Python give, and so does each of its tasks."""
    for program, told in zip(programs, user.dispatch(programs), strict=True):
        expected = checks.expected_of(program)
        _check_end(program, told, expected)
        found, wanted = _tree(user, told.dispatch_id), _expected_tree(expected)
        assert found == wanted, f"{told.dispatch_id} of {program!r}\n{found}\nis not what was expected:\n{wanted}"
        if program.flawless:
            assert told.value == checks.plainly(program), program


def check_redispatches(user: User, orders: Sequence[Redispatch]) -> None:
    """Run again with functions replaced, exactly their tasks run again, and those after them, and those left over."""
    before = user.dispatch([order.program for order in orders])
    again = user.redispatch([told.dispatch_id for told in before], [order.replaced for order in orders])
    for order, told in zip(orders, again, strict=True):
        program, names = order.program, order.replaced
        original, expected = checks.expected_of(program), checks.expected_of(program, names)
        _check_end(program, told, expected)
        taken_over = [
            number
            for number, outcome in enumerate(original.outcomes())
            if outcome is Outcome.COMPLETED and number not in original.following(names)
        ]
        nodes = user.nodes(told.dispatch_id)
        assert [node["status"] for node in nodes] == expected.outcomes(), program
        found = [node["node_id"] for node in nodes if node["status"] == Outcome.COMPLETED and not node.get("attempt")]
        assert found == taken_over, f"{told.dispatch_id} of {program!r}, {names} replaced: {found}, not {taken_over}"
        assert all((nodes[number]["started_at"] == nodes[number]["ended_at"]) for number in taken_over)


def check_attempts(user: User, orders: Sequence[Attempts], directory: Path) -> None:
    """A task that fails as often as it may, and no more often, completes; another is not tried once more."""
    places = [Path(tempfile.mkdtemp(dir=directory)) for _ in orders]
    told = user.dispatch_scripts([order.written(str(place)) for order, place in zip(orders, places, strict=True)])
    for order, place, end in zip(orders, places, told, strict=True):
        limits = [(failures, order.allowed(own)) for failures, own in order.tasks]
        good = [failures <= most for failures, most in limits]
        counted = [len((place / str(number)).read_text()) for number in range(len(limits))]
        assert counted == [1 + min(limit) for limit in limits], order
        assert end.status == (Outcome.COMPLETED if all(good) else Outcome.FAILED), order
        assert end.value == (described(counted) if all(good) else None)
        nodes = user.nodes(end.dispatch_id)[: len(limits)]
        assert [node["status"] == Outcome.COMPLETED for node in nodes] == good, order


def _check_end(program: Program, told: Told, expected: Dispatch) -> None:
    context = f"{told.dispatch_id} of {program!r}\n{told.error}"
    assert told.status == expected.ended, context
    assert told.value == (described(expected.result()) if expected.ended is Outcome.COMPLETED else None), context


def _tree(user: User, dispatch_id: str) -> list[Any]:
    """Name and status of each node, with the same of what it has started."""
    return [
        (node["node_name"], node["status"], _tree(user, node["child"]) if node.get("child") else None)
        for node in user.nodes(dispatch_id)
    ]


def _expected_tree(dispatch: Dispatch) -> list[Any]:
    ended = zip(dispatch.tasks, dispatch.outcomes(), strict=True)
    return [(task.name, outcome, _expected_tree(task.child) if task.child else None) for task, outcome in ended]
