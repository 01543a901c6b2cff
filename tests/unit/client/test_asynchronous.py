"""The twins for asyncio: the same answers and errors, a loop that goes on, and nothing left behind when cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, assert_type

import pytest
from blockbuster import blockbuster_ctx

import covalent as ct
from covalent.errors import MissingLatticeRecordError
from covalent.status import Status
from covalent.transportable import TransportableObject
from covalent.wire.records import NodeRecord
from tests.unit.client.fake_server import FakeServer, a_record

WHO: ContextVar[str] = ContextVar("who", default="nobody")


@pytest.fixture(autouse=True)
def _a_running_dispatch(server: FakeServer) -> None:
    server.records["it"] = a_record("it")
    server.nodes["it"] = [NodeRecord(node_id=0, node_name="task", kind="task", status=Status.RUNNING)]


@pytest.fixture
def workflow() -> ct.Lattice[[int]]:
    @ct.electron
    def twice(x: int) -> int:
        return 2 * x

    @ct.lattice
    def workflow(x: int) -> int:
        return twice(twice(x))

    return workflow


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """The value of a coroutine, which fails when anything blocks the loop."""
    with blockbuster_ctx():
        return asyncio.run(main())


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "covalent-apart"]


def joined() -> bool:
    """Whether every thread of the twins has ended by itself, in much less time than an answer is held back."""
    for thread in threads():
        thread.join(timeout=5)
    return threads() == []


def test_a_workflow_is_dispatched_and_its_end_awaited_without_blocking_the_loop(
    server: FakeServer, workflow: ct.Lattice[[int]]
) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async def main() -> Any:
        ticking = asyncio.create_task(tick())
        dispatch_id = await ct.adispatch(workflow)(3)
        waiting = asyncio.create_task(ct.aget_result(dispatch_id, wait=True))
        await asyncio.to_thread(server.wait_until_somebody_waits)
        server.finish(dispatch_id, TransportableObject(12).serialize())
        result = await waiting
        ticking.cancel()
        return result.result

    assert run(main) == 12
    assert ticks > 10
    (manifest,) = server.manifests.values()
    assert [node.name for node in manifest.graph.nodes] == ["twice", "twice"]


def test_the_value_is_fetched_before_it_is_asked_for(server: FakeServer) -> None:
    server.finish("it", TransportableObject(41).serialize())

    async def main() -> Any:
        return (await ct.aget_result("it")).result  # a request would block the loop

    assert run(main) == 41


def test_the_value_is_left_where_it_is_when_nobody_wants_it(server: FakeServer) -> None:
    server.finish("it", TransportableObject(41).serialize())
    result = run(lambda: ct.aget_result("it", workflow_output=False))
    assert server.asked == ["GET /dispatches/it"]
    assert result.result == 41


def test_status_only_is_a_dict() -> None:
    assert run(lambda: ct.aget_result("it", status_only=True)) == {"id": "it", "status": Status.RUNNING}


def test_many_are_dispatched_at_once_and_each_has_its_own_graph(
    server: FakeServer, workflow: ct.Lattice[[int]]
) -> None:
    async def main() -> list[str]:
        return await asyncio.gather(*(ct.adispatch(workflow)(x) for x in range(20)))

    ids = run(main)
    given = [server.manifests[dispatch_id].graph.nodes[0].args[0] for dispatch_id in ids]
    assert given == [{"value": x} for x in range(20)]
    assert workflow.transport_graph.nodes == []


def test_many_wait_at_once_and_leave_the_loops_own_threads_to_others(server: FakeServer) -> None:
    count = 50  # more than the loop has threads

    async def main() -> list[Any]:
        waiting = [asyncio.create_task(ct.aget_result("it", wait=True)) for _ in range(count)]
        await asyncio.to_thread(server.wait_until_somebody_waits, count)
        server.finish("it", TransportableObject(1).serialize())
        return [result.result for result in await asyncio.gather(*waiting)]

    assert run(main) == [1] * count


def test_the_workflow_function_sees_the_callers_context_in_another_thread(server: FakeServer) -> None:
    seen: list[Any] = []

    @ct.lattice
    def workflow() -> None:
        seen.extend([WHO.get(), threading.current_thread().name, asyncio.run(asyncio.sleep(0, "a loop of its own"))])

    async def main() -> str:
        WHO.set("the caller")
        return await ct.adispatch(workflow)()

    assert run(main) in server.records
    assert seen == ["the caller", "covalent-apart", "a loop of its own"]


def test_plain_electrons_stay_functions_while_a_workflow_is_built_elsewhere(workflow: ct.Lattice[[int]]) -> None:
    async def main() -> int:
        building = asyncio.create_task(ct.adispatch(workflow)(3))
        value = workflow(5)
        await building
        return int(value)

    assert run(main) == 20


# -- cancelling the wait


def test_who_stops_waiting_returns_at_once_and_leaves_no_thread(server: FakeServer) -> None:
    async def main() -> None:
        waiting = asyncio.create_task(ct.aget_result("it", wait=True))
        await asyncio.to_thread(server.wait_until_somebody_waits)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(main)
    assert joined()
    assert server.records["it"].status is Status.RUNNING


def test_a_timeout_of_asyncio_ends_the_wait() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ct.aget_result("it", wait=True), 0.05)

    run(main)
    assert joined()
    assert ct.get_result("it").status == "RUNNING"


def test_who_stops_waiting_disturbs_nobody_else(server: FakeServer) -> None:
    async def main() -> Any:
        leaving, staying = (asyncio.create_task(ct.aget_result("it", wait=True)) for _ in range(2))
        await asyncio.to_thread(server.wait_until_somebody_waits, 2)
        leaving.cancel()
        await asyncio.wait([leaving])
        server.finish("it", TransportableObject("kept").serialize())
        return (await staying).result

    assert run(main) == "kept"


def test_a_loop_that_ends_takes_the_waiting_along(server: FakeServer) -> None:
    async def main() -> None:
        task = asyncio.create_task(ct.aget_result("it", wait=True))
        await asyncio.to_thread(server.wait_until_somebody_waits)
        assert not task.done()

    run(main)  # asyncio.run cancels what is left
    assert joined()


def test_cancelled_while_the_workflow_function_runs_nothing_is_sent(server: FakeServer) -> None:
    entered, go_on = threading.Event(), threading.Event()

    @ct.lattice
    def workflow() -> int:
        entered.set()
        go_on.wait(timeout=30)
        return 1

    async def main() -> None:
        dispatching = asyncio.create_task(ct.adispatch(workflow)())
        assert await asyncio.to_thread(entered.wait, 30)
        dispatching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dispatching

    run(main)
    go_on.set()
    assert joined()
    assert server.asked == []


# -- the same errors


async def _outcome(asked: Coroutine[Any, Any, Any]) -> BaseException:
    try:
        await asked
    except Exception as error:  # noqa: BLE001  any of them is compared
        return error
    raise AssertionError("it raised nothing")


SAME_ERRORS: dict[str, tuple[Callable[[], Any], Callable[[], Coroutine[Any, Any, Any]]]] = {
    "unknown result": (lambda: ct.get_result("no"), lambda: ct.aget_result("no")),
    "unknown wait": (lambda: ct.get_result("no", wait=True), lambda: ct.aget_result("no", wait=True)),
    "unknown cancel": (lambda: ct.cancel("no"), lambda: ct.acancel("no")),
    "wrong id": (lambda: ct.get_result(None), lambda: ct.aget_result(None)),  # type: ignore[call-overload]
    "wrong task": (lambda: ct.cancel("it", ["a"]), lambda: ct.acancel("it", ["a"])),  # type: ignore[list-item]
    "no server": (lambda: ct.cancel("it", None, "localhost:1"), lambda: ct.acancel("it", None, "localhost:1")),
}


@pytest.mark.parametrize(("ask", "aask"), SAME_ERRORS.values(), ids=SAME_ERRORS)
def test_the_errors_are_those_of_the_plain_functions(
    ask: Callable[[], Any], aask: Callable[[], Coroutine[Any, Any, Any]]
) -> None:
    awaited = run(lambda: _outcome(aask()))
    with pytest.raises(type(awaited)) as raised:
        ask()
    assert str(awaited) == str(raised.value)
    assert type(awaited) is type(raised.value)


@pytest.mark.parametrize("error", [LookupError("in the body"), MissingLatticeRecordError("of the user's own")])
def test_an_error_in_the_workflow_function_comes_out_unchanged(server: FakeServer, error: Exception) -> None:
    @ct.lattice
    def workflow() -> None:
        raise error

    assert run(lambda: _outcome(ct.adispatch(workflow)())) is error
    assert server.asked == []


def test_a_stop_iteration_does_not_hang_the_loop() -> None:
    @ct.lattice
    def workflow() -> None:
        next(iter(()))

    raised = run(lambda: _outcome(ct.adispatch(workflow)()))
    assert isinstance(raised, RuntimeError)
    assert "StopIteration()" in str(raised)


def test_what_is_no_lattice_is_refused_before_anything_is_awaited() -> None:
    no_lattice: Any = len
    with pytest.raises(TypeError, match="takes a lattice, but got the function 'len'"):
        ct.adispatch(no_lattice)


def test_wrong_arguments_are_told_as_ever(workflow: ct.Lattice[...]) -> None:
    raised = run(lambda: _outcome(ct.adispatch(workflow)(1, 2)))
    assert str(raised).startswith("Too many positional arguments given, expected 1, received 2")


def test_cancelling_is_awaited(server: FakeServer) -> None:
    assert run(lambda: ct.acancel("it", [0])).startswith("Cancelled what had not ended of the task 0")
    assert run(lambda: ct.acancel("it")) == "Cancelled the dispatch it."
    assert server.records["it"].status is Status.CANCELLED


async def _types(workflow: ct.Lattice[[int]]) -> None:
    """Never run: what type checkers see."""
    assert_type(await ct.adispatch(workflow)(3), str)
    assert_type(await ct.aget_result("it"), ct.Result)
    assert_type(await ct.aget_result("it", status_only=True), dict[str, Any])
    assert_type(await ct.acancel("it", [0]), str)
    await ct.adispatch(workflow)("three")  # type: ignore[arg-type]  # the workflow's own parameters are checked
