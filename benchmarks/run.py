"""``nox -s bench``: measure ours and the peer in turns, say how it stands with the targets, write every sample down.

Exit code 0 unless something was wrong: a result, or with ``--check`` a missed target. Slowness alone is no error.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks import machine, report
from benchmarks.dask_peer import Dask
from benchmarks.environments import EXTRA, ROOT, BenchError, Environments, build, installed, run
from benchmarks.ours import Covalent
from benchmarks.plan import FULL, QUICK, Plan
from benchmarks.system import System

#: After a start, until the memory of an idle process is looked at, in seconds.
SETTLING: Final = 2.0
Samples = dict[str, list[float]]


def main(arguments: list[str]) -> int:
    """Build, measure, report."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--wheels", type=Path, required=True, help="the directory of both wheels; nox gives it")
    parser.add_argument("--directory", type=Path, required=True, help="everything else goes below it; nox gives it")
    parser.add_argument("--quick", action="store_true", help="repeat less, and leave the results of record as they are")
    parser.add_argument("--check", action="store_true", help="fail when a target is missed")
    chosen = parser.parse_args(arguments)
    directory: Path = chosen.directory.resolve()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        tell("making the environments of the server, the client and the peer")
        environments = build(sorted(chosen.wheels.glob("*.whl")), directory / "environments")
        record = measure(environments, directory, QUICK if chosen.quick else FULL, quick=chosen.quick)
    except BenchError as error:
        print(f"the bench ended early: {error}", file=sys.stderr)
        return 1
    output = directory / "quick.json" if chosen.quick else report.LATEST
    output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if not chosen.quick:
        report.write_page(record)
    print(report.as_text(record))
    print(f"every sample is in {output}")
    missed = report.missed(record)
    print("\n".join(f"missed: {text}" for text in missed) or "every target is reached")
    return 1 if missed and chosen.check else 0


def measure(environments: Environments, directory: Path, plan: Plan, *, quick: bool) -> dict[str, Any]:
    """Every sample, with what is needed to judge it."""
    systems: list[System] = [Covalent(environments, directory / "state"), Dask(environments, directory / "dask.log")]
    head, modified = machine.commit(ROOT)
    began = machine.load()
    rounds: dict[str, list[Samples]] = {system.name: [] for system in systems}
    for number in range(plan.rounds):
        for system in systems:  # in turns, so that what else the machine does meets both
            tell(f"round {number + 1} of {plan.rounds}: {system.name}")
            rounds[system.name].append(measure_once(system, plan))
    sizes = installed(environments.client)
    client = {name: facts["bytes"] / 1e6 for name, facts in sizes.items() if name not in EXTRA}
    return {
        "format": 1,
        "commit": head,
        "modified": modified,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": machine.describe(directory),
        "load": {"before": began, "after": machine.load()},
        "versions": {
            name: {package: facts["version"] for package, facts in installed(getattr(environments, name)).items()}
            for name in ("server", "client", "peer")
        },
        "client_mb": client,
        "rounds": rounds,
    }


def measure_once(system: System, plan: Plan, *, settling: float = SETTLING) -> Samples:
    """One life of a system, from its start to its end."""
    samples: Samples = {}
    try:
        began = time.perf_counter()
        system.start()
        samples["start_s"] = [time.perf_counter() - began]
        time.sleep(settling)
        samples["idle_mb"] = [machine.resident_mb(system.pid)]
        samples |= imports(system, plan.imports)
        samples |= workload(system, "one_task", plan.one_task)
        # Before any workload that could leave free memory behind, which would hide what this one takes.
        before = machine.resident_mb(system.pid)
        machine.forget_peak(system.pid)
        samples |= workload(system, "large_value", plan.large_value)
        samples["large_value_growth_mb"] = [machine.peak_mb(system.pid) - before]
        for length, runs in plan.chains:
            samples |= workload(system, "chain", length, runs)
        for size, runs in plan.fans:
            samples |= workload(system, "fan_out", size, runs)
        if (system.workloads / "layer.py").exists():  # the peer has no packages for single tasks
            samples |= workload(system, "layer", plan.layers)
        samples["after_mb"] = [machine.resident_mb(system.pid)]
    finally:
        system.stop()
    return samples


def workload(system: System, name: str, *arguments: int) -> Samples:
    """What a script measured; it fails when a result is wrong."""
    script = system.workloads / f"{name}.py"
    samples: Samples = json.loads(run(str(system.client), str(script), *map(str, arguments), environ=system.environ))
    said = ", ".join(f"{key} {values[-1]:.3g}" for key, values in samples.items())
    tell(f"    {name} {' '.join(map(str, arguments))}: {said}")
    return samples


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
