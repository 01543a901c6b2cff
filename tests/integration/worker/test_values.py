"""Values, templates and hooks on their way through a worker."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from covalent.wire import INLINE_ASSET_BYTES
from covalent.wire.work import Outcome
from tests.integration.worker.fake_server import FakeServer

pytestmark = pytest.mark.usefixtures("worker")


def test_a_value_flows_from_one_task_to_the_next(fake: FakeServer) -> None:
    first = fake.submit(lambda x: [x, x + 1], 1)
    output = fake.outcome(first).output
    assert output is not None
    second = fake.submit(sum, {"node": 0}, outputs={"0": output})
    assert fake.value(second) == 3


def test_templates_keep_containers_and_follow_paths(fake: FakeServer) -> None:
    made = fake.put({"a": [10, 20], "z": 3 + 4j})
    template = {
        "tuple": [
            {"list": [{"node": 4, "path": [["item", "a"], ["item", 1]]}, {"value": None}]},
            {"set": [{"value": 1}]},
            {"dict": [[{"value": "k"}, {"node": 4, "path": [["item", "z"], ["attr", "imag"]]}]]},
            {"node": 4, "path": [["item", "a"], ["unpack", 0, 2]]},
            {"node": 4, "path": [["item", {"asset": fake.put("a")}], ["item", {"asset": fake.put(slice(0, 1))}]]},
        ]
    }
    task = fake.submit(lambda x, *, y: (x, y), template, y={"frozenset": [{"value": 2}]}, outputs={"4": made})
    assert fake.value(task) == (([20, None], {1}, {"k": 4.0}, 10, [10]), frozenset({2}))


def test_an_output_that_is_used_twice_is_one_object(fake: FakeServer) -> None:
    task = fake.submit(lambda a, b: a is b, {"node": 4}, {"node": 4}, outputs={"4": fake.put([1])})
    assert fake.value(task) is True


def test_no_task_sees_what_another_one_did_to_a_value(fake: FakeServer) -> None:
    shared = fake.put([0])

    def grow(items: list[int]) -> int:
        items.append(1)
        return len(items)

    tasks = [fake.submit(grow, {"node": 4}, outputs={"4": shared}) for _ in range(20)]
    assert {fake.value(task) for task in tasks} == {2}


def test_a_mutable_default_starts_anew_for_every_task(fake: FakeServer) -> None:
    def grow(items: list[int] = []) -> int:  # noqa: B006 - that is the point
        items.append(1)
        return len(items)

    tasks = [fake.submit(grow) for _ in range(20)]
    assert {fake.value(task) for task in tasks} == {1}


def test_a_path_that_fails_names_node_and_path(fake: FakeServer) -> None:
    completion = fake.outcome(
        fake.submit(lambda x: x, {"node": 7, "path": [["item", 5]]}, outputs={"7": fake.put([1])})
    )
    assert completion.outcome is Outcome.FAILED
    assert completion.error is not None
    assert "node 7" in completion.error
    assert "[5]" in completion.error
    assert "IndexError" in completion.error


def test_unpacking_checks_the_count(fake: FakeServer) -> None:
    completion = fake.outcome(
        fake.submit(lambda x: x, {"node": 7, "path": [["unpack", 0, 2]]}, outputs={"7": fake.put([1, 2, 3])})
    )
    assert "expected 2 values to unpack, got more" in (completion.error or "")


def test_a_large_array_goes_by_file_and_arrives_writable(fake: FakeServer) -> None:
    def make() -> object:
        import numpy as np

        return np.ones(1_000_000)

    def change(array: object) -> float:
        array[0] = 5.0  # type: ignore[index]
        return float(array.sum())  # type: ignore[attr-defined]

    made = fake.outcome(fake.submit(make))
    assert made.output is not None
    assert len(fake.assets[made.output]) > INLINE_ASSET_BYTES
    assert f"PUT /api/v1/assets/{made.output}" in fake.requests
    tasks = [fake.submit(change, {"node": 0}, outputs={"0": made.output}) for _ in range(2)]
    assert [fake.value(task) for task in tasks] == [1_000_004.0, 1_000_004.0]


def test_an_output_travels_inline_exactly_as_long_as_the_whole_of_it_is_small(fake: FakeServer) -> None:
    tasks = [fake.submit(bytes, size) for size in range(INLINE_ASSET_BYTES - 24_000, INLINE_ASSET_BYTES, 400)]
    uploaded = set()
    for task in tasks:
        digest = fake.outcome(task).output or ""
        large = len(fake.assets[digest]) > INLINE_ASSET_BYTES
        assert (f"PUT /api/v1/assets/{digest}" in fake.requests) is large
        uploaded.add(large)
    assert uploaded == {True, False}


def test_assets_that_do_not_come_along_are_fetched_small_ones_at_once(fake: FakeServer) -> None:
    fake.inline = False
    small, large = fake.put("small"), fake.put(bytes(200_000))
    task = fake.submit(lambda a, b: (a, len(b)), {"asset": small}, {"asset": large})
    assert fake.value(task) == ("small", 200_000)
    assert fake.requests == ["POST /assets/batch", f"GET /api/v1/assets/{large}"]


def test_an_asset_that_is_gone_fails_the_task(fake: FakeServer) -> None:
    completion = fake.outcome(fake.submit(lambda x: x, {"asset": "0" * 64}))
    assert completion.outcome is Outcome.FAILED
    assert "cannot be fetched" in (completion.error or "")


def test_hooks_run_around_the_function_and_inject_what_they_return(fake: FakeServer, tmp_path: Path) -> None:
    log = str(tmp_path / "log")

    def note(word: str) -> str:
        with open(log, "a") as file:  # noqa: PTH123 - it takes no globals along
            file.write(word + " ")
        return word

    def work(*, one: str, many: list[str]) -> tuple[str, list[str]]:
        with open(log, "a") as file:  # noqa: PTH123
            file.write("work ")
        return one, many

    task = fake.submit(
        work,
        before=[
            {"function": note, "args": ("a",), "retval_keyword": "one"},
            {"function": note, "args": ("b",), "retval_keyword": "many"},
            {"function": note, "args": ("c",), "retval_keyword": "many"},
            {"function": note, "args": ("d",)},
        ],
        after=[{"function": note, "args": ("e",)}],
    )
    assert fake.value(task) == ("a", ["b", "c"])
    assert Path(log).read_text() == "a b c d work e "


def test_a_failed_function_is_not_followed_by_the_hooks_after_it(fake: FakeServer, tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    after = [{"function": lambda: open(log, "w").close()}]  # noqa: PTH123
    completion = fake.outcome(fake.submit(lambda: 1 / 0, after=after))
    assert "ZeroDivisionError" in (completion.error or "")
    assert not Path(log).exists()


def test_a_failing_hook_fails_the_task_with_its_own_traceback(fake: FakeServer) -> None:
    def prepare() -> None:
        raise LookupError("nothing prepared")

    completion = fake.outcome(fake.submit(lambda: 1, before=[{"function": prepare}]))
    assert "in prepare" in (completion.error or "")
    assert "LookupError: nothing prepared" in (completion.error or "")


def test_coroutines_run_to_their_end_and_generators_become_lists(fake: FakeServer) -> None:
    async def later(x: int) -> int:
        import asyncio

        await asyncio.sleep(0)
        return x + 1

    def several(n: int) -> object:
        yield from range(n)

    async def several_later(n: int) -> object:
        for item in range(n):
            yield item

    tasks = [fake.submit(later, 1), fake.submit(several, 3), fake.submit(several_later, 2)]
    assert [fake.value(task) for task in tasks] == [2, [0, 1, 2], [0, 1]]


def test_a_thousand_tiny_tasks_each_run_once(fake: FakeServer, worker: subprocess.Popen[bytes]) -> None:
    tasks = [fake.submit(lambda x: x, number) for number in range(1000)]
    assert [fake.value(task) for task in tasks] == list(range(1000))
    assert {len(task.acknowledgements) for task in tasks} == {1}
    assert worker.poll() is None
