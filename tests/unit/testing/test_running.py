"""Workflows run in this process: the same values, hooks and errors as with a server, without one."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, assert_type

import pytest

import covalent as ct
from covalent.errors import ArgumentsError, DispatchFailedError

AGAIN = LookupError("the same object every time")


@ct.electron
def add(a: Any, b: Any) -> Any:
    return a + b


@ct.electron
def pair(a: Any, b: Any) -> Any:
    return {"a": a, "b": [b, b]}


@ct.electron
async def later(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1


@ct.electron
def counted(n: int) -> Iterator[int]:
    yield from range(n)


@ct.electron
async def counted_later(n: int) -> AsyncIterator[int]:
    for number in range(n):
        yield number


@ct.electron
def divide(a: float, b: float) -> float:
    return a / b


@ct.electron
def fail_again() -> None:
    raise AGAIN


def note(file: Path, text: str) -> str:
    """Tasks work on copies; a file is what they share."""
    with file.open("a") as log:
        log.write(f"{text}\n")
    return text


def containers(x: int) -> Any:
    found = pair(x, 3)
    return {"sum": found["a"] + 1, "list": [found["b"][0], (found, {add(x, 1)})], found["b"][1]: None}


def unpacked(x: int) -> Any:
    first, second = pair(x, 2)["b"]
    return first * second


def constant(x: int) -> Any:
    return ("no electron", x)


def nothing(x: int) -> None:
    add(x, 1)


def bare(x: int) -> Any:
    return add(add(x, 1), "" if x < 0 else 2)


def strange(x: int) -> Any:
    return [later(x), counted(x), counted_later(x)]


@pytest.mark.parametrize(
    ("workflow", "value"),
    [
        (containers, {"sum": 4, "list": [3, ({"a": 3, "b": [3, 3]}, {4})], 3: None}),
        (unpacked, 4),
        (constant, ("no electron", 3)),
        (nothing, None),
        (bare, 6),
        (strange, [4, [0, 1, 2], [0, 1, 2]]),
    ],
)
def test_the_value_is_what_a_dispatch_would_give(workflow: Callable[..., Any], value: Any) -> None:
    assert ct.testing.run(ct.lattice(workflow))(3) == value


def test_the_lattice_is_left_as_it_was() -> None:
    lattice = ct.lattice(bare)
    ct.testing.run(lattice)(1)
    assert lattice.transport_graph.nodes == []
    assert lattice.inputs is None


def test_the_hooks_run_in_their_order_around_each_task(tmp_path: Path) -> None:
    log = tmp_path / "log"

    @ct.electron(
        call_before=[
            ct.DepsCall(note, (log, "first"), retval_keyword="given"),
            ct.DepsCall(note, (log, "second"), retval_keyword="given"),
            ct.DepsCall(note, (log, "third")),
        ],
        call_after=ct.DepsCall(note, (log, "after")),
    )
    def task(number: int, given: list[str]) -> tuple[int, list[str]]:
        note(log, f"task {number}")
        return number, given

    @ct.lattice
    def workflow() -> Any:
        found = task(1)  # type: ignore[call-arg]  # the rest comes from the hooks
        number, _ = found
        return task(number + 1)[1]  # type: ignore[call-arg]  # as above

    assert ct.testing.run(workflow)() == ["first", "second"]
    around = ["first", "second", "third"]
    assert log.read_text().split("\n") == [*around, "task 1", "after", *around, "task 2", "after", ""]


def test_what_a_lattice_says_holds_for_electrons_that_say_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"

    @ct.lattice(call_after=ct.DepsCall(note, (log, "after")))
    def workflow() -> Any:
        return add(1, 2)

    assert ct.testing.run(workflow)() == 3
    assert log.read_text() == "after\n"


def test_tasks_wait_for_what_they_were_told_to_wait_for(tmp_path: Path) -> None:
    log = tmp_path / "log"
    task = ct.electron(note)

    @ct.lattice
    def workflow() -> None:
        first, second, third = (task(log, name) for name in ("first", "second", "third"))
        ct.wait(first, [third])
        ct.wait(third, [second])

    ct.testing.run(workflow)()
    assert log.read_text().split() == ["second", "third", "first"]


@pytest.mark.parametrize("executor", ["client", "nowhere at all"])
def test_whatever_the_executors_are_everything_runs_here(executor: str) -> None:
    workflow = ct.lattice(containers, executor="nowhere", workflow_executor=executor)
    assert ct.testing.run(workflow)(1)["sum"] == 2


# -- sublattices


@ct.electron
@ct.lattice
def fibonacci(n: int) -> Any:
    return n if n < 2 else add(fibonacci(n - 1), fibonacci(n - 2))


def test_sublattices_are_built_on_real_values_to_any_depth() -> None:
    @ct.lattice
    def workflow(n: int) -> Any:
        return fibonacci(add(n, 1))

    assert ct.testing.run(workflow)(6) == 13


def test_hooks_in_a_sublattice_run_for_its_tasks(tmp_path: Path) -> None:
    log = tmp_path / "log"

    @ct.electron
    @ct.lattice(call_before=ct.DepsCall(note, (log, "inside")))
    def inner(n: int) -> Any:
        return [add(number, 0) for number in range(n)]

    @ct.lattice
    def workflow() -> Any:
        return inner(3)

    assert ct.testing.run(workflow)() == [0, 1, 2]
    assert log.read_text().split() == ["inside"] * 3


def test_a_failure_in_a_sublattice_names_the_tasks_on_the_way_to_it() -> None:
    @ct.electron
    @ct.lattice
    def inner(n: float) -> Any:
        return divide(n, 0)

    @ct.lattice
    def workflow() -> Any:
        return inner(add(1, 1))

    with pytest.raises(ZeroDivisionError) as raised:
        ct.testing.run(workflow)()
    assert raised.value.__notes__ == ["in the task divide(0)", "in the task inner(1)"]


# -- failures


def test_the_users_own_error_comes_out_and_names_the_task() -> None:
    @ct.lattice
    def workflow() -> Any:
        return add(divide(1, 1), divide(1, 0))

    with pytest.raises(ZeroDivisionError) as raised:
        ct.testing.run(workflow)()
    assert raised.value.__notes__ == ["in the task divide(1)"]
    assert raised.value.__context__ is None


def test_a_failing_hook_is_named_with_its_task() -> None:
    @ct.lattice(call_before=lambda: int("x"))
    def workflow() -> Any:
        return add(1, 1)

    with pytest.raises(ValueError, match="invalid literal") as raised:
        ct.testing.run(workflow)()
    assert raised.value.__notes__ == ["in call_before of add", "in the task add(0)"]


def test_nothing_runs_after_a_failure(tmp_path: Path) -> None:
    log = tmp_path / "log"

    @ct.lattice(call_after=ct.DepsCall(note, (log, "after")))
    def workflow() -> Any:
        divide(1, 0)
        return add(1, 1)

    with pytest.raises(ZeroDivisionError):
        ct.testing.run(workflow)()
    assert not log.exists()


def test_an_error_that_is_raised_again_is_not_noted_again() -> None:
    for _ in range(2):
        with pytest.raises(LookupError) as raised:
            ct.testing.run(ct.lattice(fail_again))()
        assert raised.value is AGAIN
        assert AGAIN.__notes__ == ["in the task fail_again(0)"]


@pytest.mark.parametrize(("code", "said"), [(None, "sys.exit()"), (3, "sys.exit(3)"), ("bye", "sys.exit('bye')")])
def test_a_task_that_exits_fails_alone(code: Any, said: str) -> None:
    @ct.electron
    def leave() -> None:
        raise SystemExit(code)

    @ct.lattice
    def workflow() -> Any:
        return leave()

    with pytest.raises(DispatchFailedError) as raised:
        ct.testing.run(workflow)()
    assert f"the task leave(0) called {said}" in str(raised.value)


def test_a_value_that_cannot_travel_fails_here_too() -> None:
    @ct.electron
    def lock() -> Any:
        return threading.Lock()

    @ct.lattice
    def workflow() -> Any:
        return add(1, lock())

    with pytest.raises(TypeError, match="its value cannot be serialised: TypeError: cannot pickle") as raised:
        ct.testing.run(workflow)()
    assert raised.value.__notes__ == ["in the task lock(0)"]


def test_a_task_has_as_many_attempts_as_it_was_given(tmp_path: Path) -> None:
    log = tmp_path / "log"

    @ct.electron(retries=2)
    def third_time() -> int:
        note(log, "attempt")
        count = len(log.read_text().split())
        if count < 3:
            raise OSError(count)
        return count

    @ct.lattice
    def workflow() -> Any:
        return third_time()

    assert ct.testing.run(workflow)() == 3


def test_the_last_attempts_error_is_told() -> None:
    @ct.electron(retries=1)
    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        ct.testing.run(ct.lattice(fail))()


def test_an_error_in_the_workflow_function_comes_out_unchanged() -> None:
    error = LookupError("in the body")

    @ct.lattice
    def workflow() -> None:
        raise error

    with pytest.raises(LookupError) as raised:
        ct.testing.run(workflow)()
    assert raised.value is error
    assert not hasattr(error, "__notes__")


def test_wrong_arguments_are_told_as_ever() -> None:
    no_number: Any = ct.lattice(bare)
    with pytest.raises(ArgumentsError, match="Missing arguments: x"):
        ct.testing.run(no_number)()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (len, r"ct\.testing\.run takes a lattice, but got the function 'len'; write ct\.testing\.run\(ct\.lattice"),
        (add, "the electron 'add'"),
        (3, "an object of type 'int'"),
    ],
)
def test_what_is_no_lattice_is_refused_with_what_to_write(given: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        ct.testing.run(given)


# -- what is the same as in a worker


def test_tasks_work_on_copies() -> None:
    mine = [1]

    @ct.electron
    def change(items: list[int]) -> list[int]:
        items.append(2)
        mine.append(3)
        return items

    @ct.lattice
    def workflow(items: list[int]) -> Any:
        return change(items), change(items)

    assert ct.testing.run(workflow)(mine) == ([1, 2], [1, 2])
    assert mine == [1]


def test_environment_and_directory_are_put_back_after_each_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEPT", "before")
    before, directory = dict(os.environ), Path.cwd()

    @ct.electron(call_before=lambda: os.environ.update(NEW="new", KEPT="changed"))
    def look() -> list[str | None]:
        found = [os.environ.get(name) for name in ("NEW", "KEPT", "HOME")]
        os.environ.pop("HOME", None)
        os.chdir(tmp_path)
        return found

    @ct.lattice
    def workflow() -> Any:
        return look(), look()

    found = ["new", "changed", before.get("HOME")]
    assert ct.testing.run(workflow)() == (found, found)
    assert dict(os.environ) == before
    assert Path.cwd() == directory


def test_it_runs_inside_of_an_event_loop_too() -> None:
    async def main() -> Any:
        return ct.testing.run(ct.lattice(strange))(2)

    assert asyncio.run(main()) == [3, [0, 1], [0, 1]]


def test_type_checkers_know_the_workflows_parameters() -> None:
    @ct.lattice
    def workflow(x: int, *, y: int = 1) -> int:
        return add(x, y)  # type: ignore[no-any-return]

    assert_type(ct.testing.run(workflow)(1, y=2), Any)
    with pytest.raises(ArgumentsError):
        ct.testing.run(workflow)(1, z=2)  # type: ignore[call-arg]
