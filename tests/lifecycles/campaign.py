"""``nox -s properties``: nodes in whatever happens to them, thousands of times, and a record of the ways they went.

Exit code 0 only if all held, and if nodes were in every state and went every way of the table of transitions.
"""

from __future__ import annotations

import argparse
import json
import platform
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from benchmarks import machine
from tests.lifecycles.core_machine import CoreMachine
from tests.lifecycles.database_machine import DatabaseMachine
from tests.lifecycles.visits import missing

ROOT: Final = Path(__file__).resolve().parents[2]
LATEST: Final = Path(__file__).with_name("latest.json")
#: How many runs a test makes, the same ones every time, and how many the campaign.
SOME: Final = 25
RUNS: Final = 1000
#: So many runs of the decisions alone take as long as one of two databases.
_LIGHT: Final = 10
#: Things that happen in one run.
_STEPS: Final = 40


def in_core(runs: int, seed: int | None = None) -> Counter[str]:
    """Runs of the decisions alone."""
    return _run(CoreMachine, runs * _LIGHT, seed)


def in_databases(runs: int, seed: int | None = None) -> Counter[str]:
    """Runs of two databases."""
    return _run(DatabaseMachine, runs, seed)


PROPERTIES: Final[dict[str, Callable[[int, int | None], Counter[str]]]] = {
    "core decides what the model says": in_core,
    "databases hold what the model says, told singly or of much at once": in_databases,
}


def _run(kind: type[CoreMachine | DatabaseMachine], runs: int, seed: int | None) -> Counter[str]:
    """Let things happen; how often each state, and each way between two, was seen."""
    visits: Counter[str] = Counter()
    made: type[RuleBasedStateMachine] = type(kind.__name__, (kind,), {"visits": visits})
    run_state_machine_as_test(
        made if seed is None else hypothesis.seed(seed)(made),
        settings=settings(
            max_examples=runs,
            stateful_step_count=_STEPS,
            deadline=None,
            database=None,
            derandomize=seed is None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
    return visits


def main(arguments: list[str]) -> int:
    """Let everything happen; write down what was seen."""
    parser = argparse.ArgumentParser(prog="nox -s properties --", description=__doc__)
    parser.add_argument("--programs", type=int, default=RUNS, help="how many runs of each kind")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="repeat an earlier campaign")
    chosen = parser.parse_args(arguments)
    print(f"seed {chosen.seed}; the same runs again: nox -s properties -- --seed {chosen.seed}", flush=True)
    head, modified = machine.commit(ROOT)
    record: dict[str, Any] = {
        "format": 1,
        "commit": head,
        "modified": modified,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": chosen.seed,
        "versions": {"python": platform.python_version(), "hypothesis": version("hypothesis")},
        "properties": {},
    }
    for name, trial in PROPERTIES.items():
        began = time.monotonic()
        visits = trial(chosen.programs, chosen.seed)
        seconds = round(time.monotonic() - began, 1)
        print(f"{name}: held in {chosen.programs} runs, {seconds} seconds", flush=True)
        for what, times in sorted(visits.items()):
            print(f"  {what}: {times}")
        record["properties"][name] = {
            "runs": chosen.programs,
            "seconds": seconds,
            "visits": dict(sorted(visits.items())),
        }
    return written(record)


def written(record: dict[str, Any]) -> int:
    """Write the record down, unless some way was never gone."""
    if absent := missing(record["properties"]):
        print(f"never seen, so that nothing was shown of it: {', '.join(absent)}", file=sys.stderr)
        return 1
    LATEST.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"what was seen is in {LATEST.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
