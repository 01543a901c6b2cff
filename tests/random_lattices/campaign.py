"""``nox -s properties``: thousands of lattices by chance, in this process and on a server, and a record of it.

Exit code 0 only if all held, and if everything that a program can be made of was in some that were tried.
"""

from __future__ import annotations

import argparse
import json
import platform
import secrets
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks import machine
from tests.installation import Installation
from tests.random_lattices import checks
from tests.random_lattices.dispatching import User, check_attempts, check_dispatches, check_redispatches
from tests.random_lattices.generation import EVERYTHING, attempts, programs, redispatches
from tests.random_lattices.trials import BATCH, tried, tried_in_batches

ROOT: Final = Path(__file__).resolve().parents[2]
LATEST: Final = Path(__file__).with_name("latest.json")
#: The programs that each property is tried on, when no number is given.
PROGRAMS: Final = 2400
Trial = Callable[[int, int], Counter[str]]


def main(arguments: list[str]) -> int:
    """Try all properties; write down what was tried."""
    parser = argparse.ArgumentParser(prog="nox -s properties --", description=__doc__)
    parser.add_argument("--programs", type=int, default=PROGRAMS, help="how many each property is tried on")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="repeat what an earlier run tried")
    chosen = parser.parse_args(arguments)
    warnings.simplefilter("ignore", RuntimeWarning)  # the workflows reckon with anything, infinities too
    print(f"seed {chosen.seed}; the same programs again: nox -s properties -- --seed {chosen.seed}", flush=True)
    head, modified = machine.commit(ROOT)
    record = {
        "format": 1,
        "commit": head,
        "modified": modified,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": chosen.seed,
        "versions": {"python": platform.python_version(), "hypothesis": version("hypothesis")},
        "properties": {},
    }
    seen: Counter[str] = Counter()
    with TemporaryDirectory() as directory, Installation(Path(directory) / "server") as installation:
        for name, trial in properties(installation, Path(directory)).items():
            began = time.monotonic()
            found = trial(chosen.programs, chosen.seed)
            seconds = round(time.monotonic() - began, 1)
            print(f"{name}: held for {found['program']} programs, {seconds} seconds", flush=True)
            record["properties"][name] = {"seconds": seconds, "seen": dict(sorted(found.items()))}
            seen += found
    return written(record, seen)


def properties(installation: Installation, directory: Path) -> dict[str, Trial]:
    """What is tried, by what it says."""

    def on_a_server(strategy: Any, check: Callable[[User, list[Any]], None]) -> Trial:
        def trial(count: int, seed: int) -> Counter[str]:
            with User(installation, sys.executable) as user:
                batches = -(-count // BATCH)
                return tried_in_batches(strategy, lambda batch: check(user, batch), batches=batches, seed=seed)

        return trial

    def here(check: Callable[[Any], None]) -> Trial:
        return lambda count, seed: tried(programs(), check, examples=count, seed=seed)

    return {
        "a lattice gives in process what plain Python gives": here(checks.check_value),
        "its graph has the tasks and links of the model": here(checks.check_graph),
        "graph and lattice are the same after they were JSON": here(checks.check_json),
        "a lattice gives on a server what plain Python gives": on_a_server(programs(), check_dispatches),
        "redispatched, it runs what is new and what follows": on_a_server(redispatches(), check_redispatches),
        "tasks are tried as often as they may fail": on_a_server(
            attempts(), lambda user, batch: check_attempts(user, batch, directory)
        ),
    }


def written(record: dict[str, Any], seen: Collection[str]) -> int:
    """Write the record down, unless something was never tried."""
    missing = sorted(EVERYTHING.difference(seen))
    if missing:
        print(f"never in any program, so that nothing was shown of it: {', '.join(missing)}", file=sys.stderr)
        return 1
    LATEST.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"what was tried is in {LATEST.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
