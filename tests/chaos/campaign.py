"""``nox -s chaos``: servers, workers and runners are killed, stopped and cut off, and then the books are looked at.

A *run* is the life of one installation: users dispatch workflows all the time, and one thing after the other is done
to the processes; then all that was begun is waited for, and checked. All is decided by the seed, so that a run that
fails can be had again: ``nox -s chaos -- --seed N --run K``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks import machine
from tests.chaos import points
from tests.chaos import report as page
from tests.chaos.checker import PROMISES
from tests.chaos.database import provided
from tests.chaos.hardships import Hardship, Trouble, possible
from tests.chaos.installation import pythons
from tests.chaos.life import Action, Kill, Life, Point, Report

ROOT: Final = Path(__file__).resolve().parents[2]
KILLS: Final = 1000
#: In one run: points, kills at moments of chance, and how long the longest waits, in seconds.
_POINTS: Final = 12
_AT_RANDOM: Final = 18
_MOMENT: Final = 0.3
#: What a run kills at least, so that no more runs are begun than it takes.
_KILLED: Final = 50
#: Runs at the same time: most of a run is waiting.
_SIDE_BY_SIDE: Final = 2
#: Faults of one run that are shown; one thing that goes wrong can be seen in a thousand places.
_SHOWN: Final = 10
#: In one of so many runs users and workers speak to the server through a proxy that loses, delays and doubles.
_PROXIED: Final = 3
#: More runs than it takes to come to every point.
_RUNS: Final = 200
_POOLS: Final = 3


#: Kills at moments of chance, by how often each kind comes.
_KILLS: Final = (
    Kill(roles=("server",), every=False, moment=0.0),
    Kill(roles=("worker",), every=False, moment=0.0),
    Kill(roles=("runner",), every=False, moment=0.0),
    Kill(roles=("runner",), every=True, moment=0.0),
    Kill(roles=("server", "worker"), every=False, moment=0.0),
    Kill(roles=("server", "worker"), every=True, moment=0.0),
    Kill(roles=("server", "worker", "runner"), every=True, moment=0.0),
    Kill(roles=("worker", "runner"), every=True, moment=0.0),
)
#: On PostgreSQL others come to these; to kill one session of it ends all.
_KILLS_OF_SESSIONS: Final = (
    Kill(roles=("session",), every=False, moment=0.0),
    Kill(roles=("server", "session"), every=False, moment=0.0),
)


def plan(database: str, seed: int, run: int, wanted: Sequence[str] = ()) -> list[Action]:
    """What is done in a run: each point comes once in so many runs, whatever the seed, unless some are ``wanted``."""
    order = random.Random(f"points {seed}")  # noqa: S311  (no secret)
    every = points.every_point(database)
    order.shuffle(every)
    every.sort(key=points.is_of_postgresql, reverse=True)
    first = [point for point in every if Point(point=point, passes=1).way == points.FIRST]
    others = [point for point in every if point not in first]
    chance = random.Random(f"plan {seed} {run}")  # noqa: S311
    chosen = [others[(run * _POINTS + index) % len(others)] for index in range(_POINTS)]
    chosen = [point for point in wanted if point in others] or chosen
    actions: list[Action] = [Point(point=point, passes=_passes(point, chance)) for point in chosen]
    kills = _KILLS if database == points.SQLITE else _KILLS + _KILLS_OF_SESSIONS
    actions += [replace(chance.choice(kills), moment=chance.uniform(0.0, _MOMENT)) for _ in range(_AT_RANDOM)]
    troubles = possible()
    actions.append(Hardship(trouble=troubles[run % len(troubles)]))
    if database == points.POSTGRESQL:
        actions.append(Hardship(trouble=Trouble.CRASHED))
    chance.shuffle(actions)
    start = next((point for point in wanted if point in first), first[run % len(first)])
    return [Point(point=start, passes=1), *actions]


def turns(database: str) -> int:
    """After so many runs every point has come."""
    return -(-len(points.every_point(database)) // _POINTS)


def _passes(point: str, chance: random.Random) -> int:
    """Which pass: where processes come all the time, any of the first."""
    return chance.choice([1, 1, 2, 3, 5, 8]) if Point(point=point, passes=1).way == points.USUAL else 1


class Campaign:
    """Runs, until enough was killed and every point was hit."""

    def __init__(self, directory: Path, seed: int, database: str = points.SQLITE) -> None:
        self._directory = directory
        self._seed = seed
        self.database = database
        self._interpreters = pythons(directory, _POOLS)
        self._under_way = 0
        self.reports: list[Report] = []

    def run(self, number: int, wanted: Sequence[str] = ()) -> Report:
        """One run; its directory is kept when something was found."""
        home = self._directory / f"run{number}"
        with provided(self.database) as postgres:
            life = Life(home, self._interpreters, postgres, seed=self._seed, number=number)
            actions = plan(self.database, self._seed, number, wanted)
            report = life.live(actions, proxied=number % _PROXIED == _PROXIED - 1)
            if report.faults and postgres is not None:
                postgres.keep(home)
        report.wanted = tuple(wanted)
        self.reports.append(report)
        if not report.faults:
            shutil.rmtree(home)
        return report

    def until(self, kills: int, *, every_point: bool, side_by_side: int = _SIDE_BY_SIDE) -> None:
        """Run after run; no more are begun when one has found something."""
        numbers = itertools.count()

        def runs() -> None:
            while not self._done(kills, every_point=every_point):
                number = next(numbers)
                self._under_way += 1
                try:
                    report = self.run(number, self._still_wanted() if number >= turns(self.database) else ())
                finally:
                    self._under_way -= 1
                print(_line(number, report, self.kills.total()), flush=True)

        with ThreadPoolExecutor(side_by_side) as pool:
            for lane in [pool.submit(runs) for _ in range(side_by_side)]:
                lane.result()

    def _still_wanted(self) -> list[str]:
        """Points that nobody came to, each time others if there are many."""
        unhit = self.unhit()
        turn = len(self.reports) * _POINTS % max(1, len(unhit))
        return (unhit[turn:] + unhit[:turn])[:_POINTS]

    def _done(self, kills: int, *, every_point: bool) -> bool:
        if self.faults() or len(self.reports) >= _RUNS:
            return True
        expected = self.kills.total() + self._under_way * _KILLED
        return expected >= kills and not (every_point and self.unhit())

    def faults(self) -> list[str]:
        """What must not be, with the command that does the same again."""
        return [
            f"{fault.promise}: {fault.text}\n  the same run again: {self._again(report)}"
            f"\n  all that is left of it: {self._directory / f'run{report.number}'}"
            for report in self.reports
            for fault in report.faults[:_SHOWN]
        ]

    def _again(self, report: Report) -> str:
        points_by_hand = "".join(f" --point {point}" for point in report.wanted)
        where = f"--database {self.database} --seed {self._seed}"
        return f"nox -s chaos -- {where} --run {report.number}{points_by_hand}"

    @property
    def kills(self) -> Counter[str]:
        """The processes that were killed, by role."""
        total: Counter[str] = Counter()
        for report in self.reports:
            total += report.kills
        return total

    def unhit(self) -> list[str]:
        """The points that nobody has died at."""
        hit = {point for report in self.reports for point in report.hit}
        return [point for point in points.every_point(self.database) if point not in hit]


def _line(number: int, report: Report, total: int) -> str:
    missed = f", missed {', '.join(report.missed)}" if report.missed else ""
    done = ", ".join(f"{count} {role}" for role, count in sorted(report.kills.items()))
    done += "".join(f", {count} {trouble}" for trouble, count in sorted(report.troubles.items()))
    return f"run {number}: {done}; {total} killed in all, {report.seconds} s{missed}; {dict(report.counts)}"


def main(arguments: list[str]) -> int:
    """Run the campaign, or one run of an earlier one."""
    parser = argparse.ArgumentParser(prog="nox -s chaos --", description=__doc__)
    parser.add_argument("--database", choices=points.DATABASES, default=points.SQLITE, help="what servers work on")
    parser.add_argument("--kills", type=int, default=KILLS, help="how many processes are killed at least")
    parser.add_argument("--sample", action="store_true", help="end with these, even if nobody came to some points")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="repeat an earlier campaign")
    parser.add_argument("--run", type=int, help="repeat this run of it alone")
    parser.add_argument("--point", action="append", default=[], help="with --run: the points that it was to come to")
    parser.add_argument("--side-by-side", type=int, default=_SIDE_BY_SIDE, help="runs at the same time")
    parser.add_argument("--directory", type=Path, help="where installations live; what finds a fault stays there")
    chosen = parser.parse_args(arguments)
    directory = Path(tempfile.mkdtemp(prefix="chaos-", dir=chosen.directory))
    campaign = Campaign(directory, chosen.seed, chosen.database)
    print(f"seed {chosen.seed}, in {directory}", flush=True)
    head, modified = machine.commit(ROOT)
    began = time.monotonic()
    if chosen.run is not None:
        print(_line(chosen.run, campaign.run(chosen.run, chosen.point), campaign.kills.total()))
    else:
        campaign.until(chosen.kills, every_point=not chosen.sample, side_by_side=chosen.side_by_side)
    if faults := campaign.faults():
        print("\n".join(faults))
        return 1
    shutil.rmtree(directory)
    if chosen.run is None:
        unhit = campaign.unhit()
        if unhit and not chosen.sample:
            print(f"nobody died at: {', '.join(unhit)}", file=sys.stderr)
            return 1
        _write(campaign, chosen.seed, head, modified=modified, seconds=time.monotonic() - began)
    return 0


def _write(campaign: Campaign, seed: int, head: str, *, modified: bool, seconds: float) -> None:
    counts: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    troubles: Counter[str] = Counter()
    for report in campaign.reports:
        counts += report.counts
        troubles += report.troubles
        hits.update(report.hit)
    record: dict[str, Any] = {
        "format": 1,
        "database": campaign.database,
        "commit": head,
        "modified": modified,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "machine": machine.describe(Path(tempfile.gettempdir())),
        "runs": len(campaign.reports),
        "seconds": round(seconds),
        "kills": dict(sorted(campaign.kills.items())),
        "troubles": dict(sorted(troubles.items())),
        "faults": dict.fromkeys(PROMISES, 0),
        "counts": dict(sorted(counts.items())),
        "points": dict(sorted(hits.items())),
        "points left": campaign.unhit(),
    }
    latest = page.LATEST[campaign.database]
    latest.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    page.write(campaign.database)
    print(f"what was done is in {latest.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
