"""``nox -s bench``: measure ours and the peers in turns, say how it stands with the goals, write every sample down.

What fails is listed, and everything else is measured nevertheless. Exit code 0 unless something of ours failed, a
result was wrong, or with ``--check`` a goal was missed: slowness alone is no error, nor is a peer that does not
install. ``--resume`` goes on where an interrupted run has ended.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks import life, machine, report
from benchmarks.environments import EXTRA, ROOT, BenchError, Environments, build, installed
from benchmarks.life import Life, tell
from benchmarks.measures import OURS, missed
from benchmarks.ours import Covalent
from benchmarks.peer import Peer
from benchmarks.peers import PEERS
from benchmarks.plan import FULL, FULL_OURS, QUICK, QUICK_OURS
from benchmarks.progress import Progress
from benchmarks.system import System

Turn = tuple[str, Callable[[], Life]]
FORMAT: Final = 2


def main(arguments: list[str]) -> int:
    """Build, measure, report."""
    chosen = _options().parse_args(arguments)
    directory: Path = chosen.directory.resolve()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wanted = [facts for facts in PEERS if chosen.peers is None or facts.name in chosen.peers.split(",")]
    try:
        tell("making the environments of the server, the client and the peers")
        wheels = sorted(chosen.wheels.glob("*.whl"))
        environments = build(wheels, directory / "environments", [facts.name for facts in wanted])
    except BenchError as error:
        print(f"the bench could not begin: {error}", file=sys.stderr)
        return 1
    for name, reason in environments.missing.items():
        tell(f"{name} is not measured, for it does not install: {reason}")
    progress = Progress.begin(
        directory / "progress.json", _circumstances(environments, directory, quick=chosen.quick), resume=chosen.resume
    )
    measure(progress, turns(environments, directory, quick=chosen.quick))
    record = progress.record(load_after=machine.load())
    return _finish(record, directory, whole=not chosen.quick and chosen.peers is None, check=chosen.check)


def turns(environments: Environments, directory: Path, *, quick: bool) -> list[Turn]:
    """Everything that is to be run, in its order: round by round, so that what else the machine does meets all."""
    plan, only_ours = (QUICK, QUICK_OURS) if quick else (FULL, FULL_OURS)
    covalent = Covalent(environments, directory / "state")
    peers = [
        Peer(facts, environments.peers[facts.name], directory / facts.name)
        for facts in PEERS
        if facts.name in environments.peers
    ]
    systems: list[System] = [covalent, *peers]
    common: list[Turn] = [
        (f"round {number}: {system.name}", partial(life.common, system, plan.slower() if system.slow else plan))
        for number in range(1, plan.rounds + 1)
        for system in systems
    ]
    alone: list[Turn] = [
        (f"round {number}: covalent {asked.__name__}", partial(asked, covalent, only_ours))
        for number in range(1, only_ours.rounds + 1)
        for asked in (life.layers, life.meshes, life.clients, life.volume)
    ]
    return common + alone


def measure(progress: Progress, every: list[Turn]) -> None:
    """Run what has not been run; each is kept as soon as it has ended."""
    for place, (name, turn) in enumerate(every, start=1):
        if progress.has(name):
            tell(f"[{place}/{len(every)}] {name}: kept from the run before")
            continue
        tell(f"[{place}/{len(every)}] {name}")
        progress.keep(name, turn())


def _finish(record: dict[str, Any], directory: Path, *, whole: bool, check: bool) -> int:
    failures = [(name, text) for name, texts in record["failures"].items() for text in texts]
    ours_failed = any(OURS in name for name, _ in failures)
    output = report.LATEST if whole and not ours_failed else directory / "last.json"
    output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if output == report.LATEST:
        report.write(record)
    print(report.as_text(record))
    print(f"every sample is in {output}")
    for name, text in failures:
        print(f"failed in {name}: {text}")
    not_reached = missed(record)
    print("\n".join(f"missed: {text}" for text in not_reached) or "every goal is reached")
    return 1 if ours_failed or (not_reached and check) else 0


def _circumstances(environments: Environments, directory: Path, *, quick: bool) -> dict[str, Any]:
    head, modified = machine.commit(ROOT)
    sizes = installed(environments.client)
    pythons = {"server": environments.server, "client": environments.client, **environments.peers}
    plan, only_ours = (QUICK, QUICK_OURS) if quick else (FULL, FULL_OURS)
    return {
        "format": FORMAT,
        "commit": head,
        "modified": modified,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "plan": {"common": asdict(plan), "slow peers": asdict(plan.slower()), "ours alone": asdict(only_ours)},
        "machine": machine.describe(directory),
        "load": {"before": machine.load()},
        "versions": {
            name: {package: facts["version"] for package, facts in installed(python).items()}
            for name, python in pythons.items()
        },
        "missing": environments.missing,
        "client_mb": {name: facts["bytes"] / 1e6 for name, facts in sizes.items() if name not in EXTRA},
    }


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--wheels", type=Path, required=True, help="the directory of both wheels; nox gives it")
    parser.add_argument("--directory", type=Path, required=True, help="everything else goes below it; nox gives it")
    parser.add_argument("--quick", action="store_true", help="repeat less, and leave the results of record as they are")
    parser.add_argument("--peers", metavar="NAMES", help="only these peers, with commas; none: --peers ''")
    parser.add_argument("--resume", action="store_true", help="keep what an interrupted run has measured, and go on")
    parser.add_argument("--check", action="store_true", help="fail when a goal is missed")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
