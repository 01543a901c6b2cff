from __future__ import annotations

import ast
import inspect
import json
import re
import time
from collections.abc import Callable
from typing import Self

import pytest

from benchmarks import workload
from benchmarks.environments import ROOT
from benchmarks.peers import PEERS, Facts
from benchmarks.workload import Tasks

DIRECTORY = ROOT / "benchmarks" / "peers"
ASKED = {name for name, _ in inspect.getmembers(Tasks, inspect.isfunction) if name in Tasks.__dict__} - {
    "__init__",
    "__subclasshook__",
}


class InProcess:
    """A peer that calls functions; ``error`` is what it adds to every value."""

    def __init__(self, error: int = 0) -> None:
        self.error = error
        self.entered = 0

    def __enter__(self) -> Self:
        self.entered += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.entered -= 1

    def one_task(self, value: int) -> int:
        return value + self.error

    def chain(self, length: int, start: int) -> int:
        return start + length + self.error

    def large_value(self, length: int, start: int) -> int:
        return sum(range(start, start + length)) + self.error

    def fan_out(self, size: int, start: int) -> tuple[float, int]:
        return time.perf_counter(), sum(workload.values_of(size, start)) + self.error


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty megabytes are too many numbers to add up here."""
    monkeypatch.setattr(workload, "_LENGTH", 100)


@pytest.mark.usefixtures("small")
def test_every_workload_gives_its_samples(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = "one_task 3 then chain 4 2 then large_value 1 then fan_out 10 2"
    monkeypatch.setattr("sys.argv", ["tasks", *words.split()])
    peer = InProcess()
    workload.main(peer)
    assert peer.entered == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    counts = [{key: len(values) for key, values in line.items()} for line in lines]
    assert counts == [
        {"first_task_ms": 1, "one_task_ms": 3},
        {"chain_4_ms": 2},
        {"large_value_s": 1},
        {"hand_over_10_s": 2, "fan_out_10_per_s": 2},
    ]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "measure",
    [
        lambda peer: workload.one_task(peer, 1),
        lambda peer: workload.chain(peer, 3, 1),
        lambda peer: workload.large_value(peer, 1),
        lambda peer: workload.fan_out(peer, 5, 1),
    ],
)
def test_a_wrong_value_ends_the_workload(measure: Callable[[Tasks], object]) -> None:
    with pytest.raises(SystemExit, match="the value has to be"):
        measure(InProcess(error=1))


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_is_pinned(peer: Facts) -> None:
    pins = (DIRECTORY / peer.name / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[a-z]+==[\d.]+", pin) for pin in pins)
    assert {peer.distribution, "numpy"} == {pin.partition("==")[0] for pin in pins}


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_offers_all_workloads_and_nothing_stands_in_for_them(peer: Facts) -> None:
    tree = ast.parse((DIRECTORY / peer.name / "tasks.py").read_text(encoding="utf-8"))
    (offered,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = {node.name for node in offered.body if isinstance(node, ast.FunctionDef)}
    attributes = {
        target.id
        for node in offered.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert methods | attributes >= ASKED
    imported = {
        alias.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    } | {str(node.module).partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert peer.module in imported


def test_every_directory_of_peers_is_one_of_them() -> None:
    assert {path.parent.name for path in DIRECTORY.glob("*/tasks.py")} == {peer.name for peer in PEERS}
