"""One life of a system: started, given its workloads, stopped. What fails is noted, and the rest goes on."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from benchmarks import machine
from benchmarks.environments import BenchError, run
from benchmarks.ours import Covalent
from benchmarks.plan import Ours, Plan, Step
from benchmarks.system import System

#: After a start, until the memory of an idle process is looked at, in seconds.
SETTLING: Final = 2.0
#: How often memory is looked at while many tasks go through a server (W9).
_LOOKS: Final = 10
Samples = dict[str, list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What came of it."""

    samples: Samples = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def take(self, measure: Callable[[], Samples]) -> None:
        """Add what is measured, or why it could not be."""
        try:
            self.samples.update(measure())
        except BenchError as error:
            self.failures.append(str(error))
            tell(f"    FAILED: {error}")

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"samples": self.samples, "failures": self.failures}


def common(system: System, plan: Plan, *, settling: float = SETTLING) -> Life:
    """What every system is asked."""

    def body(life: Life) -> None:
        life.take(partial(_idle, system, settling))
        life.take(partial(imports, system, plan.imports))
        if system.in_process:
            # Its scripts bring their own, and nothing else may be up beside them.
            system.stop()
            life.take(partial(together, system, plan.steps()))
            return
        for name, numbers in plan.steps():
            # It comes before what could leave free memory behind, which would hide what this one takes.
            measure = _watched if name == "large_value" else workload
            life.take(partial(measure, system, name, *numbers))
        life.take(lambda: {"after_mb": [machine.resident_mb(system.pids)]})

    return _live(system, body)


def layers(system: Covalent, plan: Ours) -> Life:
    """E1: tasks with packages of their own."""
    return _live(system, lambda life: life.take(partial(workload, system, "layer", plan.layers)))


def meshes(system: Covalent, plan: Ours) -> Life:
    """W5: graphs of growing size through one server."""

    def body(life: Life) -> None:
        for nodes, runs in plan.meshes:
            life.take(partial(workload, system, "mesh", nodes, runs))

    return _live(system, body)


def clients(system: Covalent, plan: Ours) -> Life:
    """W8: many clients at once."""

    def body(life: Life) -> None:
        life.take(partial(workload, system, "clients", *plan.clients))
        life.take(lambda: {"clients_lock_messages": [float(system.lock_messages())]})

    return _live(system, body)


def volume(system: Covalent, plan: Ours) -> Life:
    """W9: many tasks through one server; what each leaves in its memory and its database."""
    tasks, size = plan.volume

    def measure() -> Samples:
        samples: Samples = {"volume_mb": [], "volume_per_s": []}
        before = system.database_bytes
        for _ in range(_LOOKS):
            samples["volume_per_s"] += workload(system, "many", tasks // _LOOKS // size, size)["volume_per_s"]
            samples["volume_mb"].append(machine.resident_mb(system.pids))
        kilobytes = [megabytes * 1000 for megabytes in samples["volume_mb"]]
        samples["volume_memory_kb_per_task"] = [slope(kilobytes) / (tasks / _LOOKS)]
        samples["volume_database_kb_per_task"] = [(system.database_bytes - before) / tasks / 1000]
        return samples

    return _live(system, lambda life: life.take(measure))


def slope(values: Sequence[float]) -> float:
    """How much values grow from one to the next: the median over all pairs, which a single jump does not move."""
    pairs = itertools.combinations(enumerate(values), 2)
    return statistics.median((later - earlier) / (to - at) for (at, earlier), (to, later) in pairs)


def workload(system: System, name: str, *numbers: int) -> Samples:
    """What a script measured; it fails when a result is wrong."""
    return _run(system, f"{name} {' '.join(map(str, numbers))}", [*system.script(name), *map(str, numbers)])


def together(system: System, steps: Sequence[Step]) -> Samples:
    """Several workloads in one process."""
    first, *rest = [[name, *map(str, numbers)] for name, numbers in steps]
    words = [*system.script(first[0]), *first[1:], *(word for step in rest for word in ("then", *step))]
    return _run(system, "all workloads in one process", words)


def imports(system: System, times: int) -> Samples:
    """Milliseconds of a bare interpreter, of one that imports the system, and of one that uses its names, in turns."""
    programs = {"bare": "pass", "import": f"import {system.module}", "use": system.use}
    samples: Samples = {f"{name}_ms": [] for name in programs}
    for _ in range(times):
        for name, program in programs.items():
            began = time.perf_counter()
            run(str(system.client), "-c", program, environ=system.environ)
            samples[f"{name}_ms"].append((time.perf_counter() - began) * 1000)
    for name in ("import", "use"):
        pairs = zip(samples[f"{name}_ms"], samples["bare_ms"], strict=True)
        samples[f"{name}_over_bare_ms"] = [whole - bare for whole, bare in pairs]
    return samples


def tell(text: str) -> None:
    """A line of progress."""
    print(text, flush=True)


def _live(system: System, body: Callable[[Life], None]) -> Life:
    """Start, measure, stop; what does not start is noted, too."""
    life = Life()
    began = time.perf_counter()
    try:
        system.start()
        life.samples["start_s"] = [time.perf_counter() - began]
        body(life)
    except BenchError as error:
        life.failures.append(str(error))
        tell(f"    FAILED: {error}")
    finally:
        system.stop()
    return life


def _idle(system: System, settling: float) -> Samples:
    time.sleep(settling)
    return {"idle_mb": [machine.resident_mb(system.pids)]}


def _watched(system: System, name: str, *numbers: int) -> Samples:
    before = machine.resident_mb(system.pids)
    machine.forget_peak(system.pids)
    samples = workload(system, name, *numbers)
    return samples | {f"{name}_growth_mb": [machine.peak_mb(system.pids) - before]}


def _run(system: System, title: str, words: Sequence[str]) -> Samples:
    said = run(str(system.client), *words, environ=system.environ)
    samples: Samples = {}
    for line in said.splitlines():
        if line.startswith("{"):
            samples |= json.loads(line)
    shown = ", ".join(f"{key} {values[-1]:.3g}" for key, values in samples.items() if values)
    tell(f"    {title}: {shown}")
    return samples
