"""``nox -s mutations``: every rule is broken in a copy of the tree, and the tests that it names have to turn red.

Exit code 0 only if they are green as the tree is, and if each turns red, by an assertion, where its rule is broken. Of
the mutations that were tried what came of them is put into the record.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import machine
from tests.mutations.catalogue import CONTEXT, PATCHES, ROOT, Mutation, StaleMutationError, git, head, mutations
from tests.mutations.trial import Trial, Verdict, copied, run, tried

#: What is told of a test that this machine lacks something for.
SKIPPED: Final = "is skipped on this machine"
LATEST: Final = Path(__file__).with_name("latest.json")


def main(arguments: list[str]) -> int:
    """Try mutations; write down what came of them."""
    parser = argparse.ArgumentParser(prog="nox -s mutations --", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="mutation", help="their names; without any, all")
    parser.add_argument("--sample", type=int, metavar="N", help="some of them, chosen by chance, and no record")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many side by side")
    parser.add_argument("--refresh", metavar="NAME", help="make the patch anew of what is changed and not staged")
    chosen = parser.parse_args(arguments)
    if chosen.refresh:
        return refreshed(ROOT, PATCHES / f"{chosen.refresh}.patch")
    known = mutations()
    if unknown := sorted(set(chosen.names) - known.keys()):
        parser.error(f"there is no {', '.join(unknown)}; there are: {', '.join(known)}")
    picked = [known[name] for name in chosen.names or known]
    if chosen.sample:
        picked = random.sample(picked, min(chosen.sample, len(picked)))
    record = None if chosen.sample else Record(known)
    return 1 if tried_all(picked, chosen.jobs, record) else 0


def tried_all(picked: Sequence[Mutation], jobs: int, record: Record | None = None) -> list[str]:
    """Try mutations, and their tests where nothing is broken; what is wrong is told and returned."""
    faults: list[str] = []
    with ThreadPoolExecutor(jobs) as pool:
        green = pool.submit(_green, picked)
        outcomes = [(mutation, pool.submit(_outcome, mutation)) for mutation in picked]
        for mutation, future in outcomes:
            outcome = future.result()
            found = _faults(mutation, outcome)
            if not found and isinstance(outcome, Trial):
                print(f"noticed: {mutation.name}, {outcome.seconds} seconds", flush=True)
                if record is not None:
                    record.add(outcome)
            _tell(found)
            faults += found
        red = [
            f"{verdict.test} is to be green as the tree is, but {_HOW.get(verdict.how, verdict.how)}: {verdict.why}"
            for verdict in green.result()
            if verdict.how != "passed"
        ]
    _tell(red)
    return faults + red


_HOW: Final = {"skipped": SKIPPED, "asserted": "failed"}


def _tell(faults: Iterable[str]) -> None:
    for fault in faults:
        print(f"FAULT: {fault}", flush=True)


def _green(picked: Iterable[Mutation]) -> tuple[Verdict, ...]:
    with copied() as copy:
        return run(copy, [test for mutation in picked for test in mutation.red])


def _outcome(mutation: Mutation) -> Trial | StaleMutationError:
    try:
        return tried(mutation)
    except StaleMutationError as error:
        return error


def _faults(mutation: Mutation, outcome: Trial | StaleMutationError) -> list[str]:
    if isinstance(outcome, StaleMutationError):
        return [str(outcome)]
    return [_told(mutation, verdict) for verdict in outcome.verdicts if verdict.how != "asserted"]


def _told(mutation: Mutation, verdict: Verdict) -> str:
    """Why a test has not noticed a mutation."""
    match verdict.how:
        case "passed":
            why = "stays green: the rule can be broken unseen. Name the test that notices, or write it"
        case "skipped":
            why = f"{SKIPPED}: {verdict.why}"
        case "never ran":
            why = f"was not run: is it called otherwise now? {verdict.why}"
        case _:
            why = f"{verdict.how}, but by no assertion: {verdict.why}"
    return f"{mutation.name} ({mutation.breaks}): {verdict.test} {why}"


class Record:
    """What was noticed by which tests; what is in no commit is not written down."""

    def __init__(self, known: Collection[str]) -> None:
        self._known = known
        self._commit, self._modified = machine.commit(ROOT)
        if self._modified:
            print("nothing is written down: packages/ has changes that are in no commit")

    def add(self, trial: Trial) -> None:
        """Write down what came of a mutation, at once: a session takes long."""
        if self._modified:
            return
        record = json.loads(LATEST.read_text(encoding="utf-8")) if LATEST.exists() else {}
        record[trial.mutation.name] = {
            "rule": trial.mutation.rule,
            "breaks": trial.mutation.breaks,
            "red": list(trial.mutation.red),
            "seconds": trial.seconds,
            "commit": self._commit,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        kept = {name: record[name] for name in sorted(record) if name in self._known}
        LATEST.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def refreshed(root: Path, path: Path) -> int:
    """Make a patch of what is changed in ``packages`` and not staged, below its own head, and undo the change."""
    diff = git(root, "diff", f"--unified={CONTEXT}", "--no-color", "--", "packages", "pyproject.toml").stdout
    if not diff or not path.exists():
        print(f"nothing is broken, or there is no {path} with the patch's head", file=sys.stderr)
        return 1
    kept = [line for line in diff.splitlines(keepends=True) if not line.startswith(("diff --git ", "index "))]
    path.write_text(f"{head(path.read_text(encoding='utf-8')).rstrip()}\n\n{''.join(kept)}", encoding="utf-8")
    undone = git(root, "apply", "--reverse", str(path))
    print(undone.stderr or f"{path.name} is refreshed, and the rule is kept again")
    return undone.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
