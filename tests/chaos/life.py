"""One run: an installation that lives, what is done to it, and what became of everything that was begun."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.chaos import checker, points
from tests.chaos.checker import Evidence, Fault
from tests.chaos.database import Postgres
from tests.chaos.deeds import Deed
from tests.chaos.hardships import Hardship, Trouble, suffer
from tests.chaos.installation import Crowd, Endangered
from tests.chaos.proxy import Proxy
from tests.installation import alive

#: Seconds without any event, and without a word in the journal, after which what has not ended is stuck.
STUCK: Final = 60.0
#: Seconds within which a worker that has been started introduces itself, even on a busy machine.
_INTRODUCTION: Final = 15.0
#: How many workers are killed until somebody comes to a point that is reached when one is lost, and the time for it.
_LOSSES: Final = 4
_LOSS_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Somebody dies before or after a site, as its so-many-th pass."""

    point: str
    passes: int

    @property
    def way(self) -> str:
        """What it takes to get there."""
        return points.way(self.point.rpartition(":")[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """``kill -9`` at a moment of chance: of all processes of these roles, or of one of them."""

    roles: tuple[str, ...]
    every: bool
    moment: float


Action = Point | Kill | Hardship


@dataclass(slots=True, kw_only=True)
class Report:
    """What was done in a run, and what was found."""

    number: int
    #: The points that it was to come to, where those were chosen by hand.
    wanted: tuple[str, ...] = ()
    kills: Counter[str] = field(default_factory=Counter)
    hit: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    #: What happened besides death.
    troubles: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    seconds: float = 0.0


class Life:
    """The life of one installation."""

    def __init__(
        self, home: Path, interpreters: Sequence[str], postgres: Postgres | None, *, seed: int, number: int
    ) -> None:
        self._installation = Endangered(home, interpreters[0], postgres)
        self._crowd = Crowd(self._installation, interpreters, f"{seed} {number}")
        self._chance = random.Random(f"victims {seed} {number}")  # noqa: S311  (no secret)
        self._seed = f"{seed} {number}"
        self._report = Report(number=number)

    def live(self, actions: Sequence[Action], *, proxied: bool) -> Report:
        """Do one thing after the other, then let everything come to its end; what was found."""
        began = time.monotonic()
        with self._installation, Proxy(lambda: self._installation.port, self._seed) as proxy:
            first = [action for action in actions if isinstance(action, Point) and action.way == points.FIRST]
            armed = [(action, self._installation.arm(action.point, action.passes)) for action in first]
            self._installation.ensure_started()
            for point, number in armed:
                self._note(point, self._installation.fired(number, 0.1))
            if proxied:
                self._installation.lead_through(proxy.port)
            with self._crowd:
                for action in actions:
                    if action not in first:
                        self._do(action)
                        self._settle()
                self._crowd.enough()
                stuck = self._come_to_an_end()
            self._check(stuck)
            self._report.troubles.update(proxy.fates)
        self._report.seconds = round(time.monotonic() - began, 1)
        return self._report

    def _do(self, action: Action) -> None:
        match action:
            case Point():
                self._go_to(action)
            case Kill():
                time.sleep(action.moment)
                self._kill([victim for role in action.roles for victim in self._victims(role, every=action.every)])
            case Hardship():
                worker = next((pid for pid, _ in self._victims("worker")), None)
                suffer(self._installation, action.trouble, worker)
                self._report.troubles[action.trouble] += 1
        self._keep_server()

    def _go_to(self, action: Point) -> None:
        installation = self._installation
        number = installation.arm(action.point, action.passes)
        match action.way:
            case points.START:
                self._kill(self._victims("server"))
                installation.ensure_started()
            case points.LOSS:
                self._lose_workers_until(number)
            case points.STOP:
                self._stop()
            case points.CLOCK:
                suffer(installation, Trouble.HOUR_BACK, None)
            case points.OUTAGE:
                suffer(installation, Trouble.CRASHED, None)
            case points.USUAL:
                pass
            case kind:
                self._crowd.want(kind)
        self._note(action, installation.fired(number))

    def _lose_workers_until(self, number: int) -> None:
        """Kill workers: one that holds nothing leaves nothing to be taken back."""
        for _ in range(_LOSSES):
            self._kill(self._victims("worker"))
            if self._installation.fired(number, _LOSS_SECONDS):
                return

    def _stop(self) -> None:
        self._installation.note_planned()
        self._installation.command("stop", check=False)
        self._installation.note_planned()

    def _note(self, action: Point, deed: Deed | None) -> None:
        if deed is None:
            self._installation.disarm(action.point)
            self._report.missed.append(action.point)
        else:
            self._report.hit.append(action.point)
            self._report.kills[deed.role] += 1

    def _victims(self, role: str, *, every: bool = False) -> list[tuple[int, str]]:
        found = {
            "server": lambda: [self._installation.pid],
            "worker": self._installation.supervisors,
            "runner": self._installation.runners,
            "session": self._installation.sessions,
        }[role]()
        chosen = found if every or not found else [self._chance.choice(found)]
        return [(pid, role) for pid in chosen]

    def _kill(self, victims: Sequence[tuple[int, str]]) -> None:
        self._report.kills.update(self._installation.kill_all(victims))

    def _keep_server(self) -> None:
        """Start the server again if it was killed; one that ended by itself is a fault."""
        if not alive(self._installation.pid):
            if self._installation.pid not in {deed.pid for deed in self._installation.deeds()}:
                self._report.faults.append(Fault(promise="stuck", text="the server ended by itself"))
            self._installation.ensure_started()

    def _settle(self) -> None:
        """Wait for workers that were being started: one that dies at its start twice is taken to be unable to."""

        def introduced() -> bool:
            known = self._installation.books.introduced()
            return all(pid in known for pid in self._installation.supervisors())

        deadline = time.monotonic() + _INTRODUCTION
        while not introduced() and time.monotonic() < deadline:
            time.sleep(0.02)

    def _come_to_an_end(self) -> list[Fault]:
        """Wait for all that was begun, as long as anything happens."""
        books = self._installation.books
        before, since = (-1, -1), time.monotonic()
        while not (self._crowd.gone() and not books.unfinished()):
            self._keep_server()
            now = (books.turn(), self._crowd.journal.stat().st_size)
            if now != before:
                before, since = now, time.monotonic()
            if time.monotonic() - since > STUCK:
                return [Fault(promise="stuck", text=f"nothing has happened for {STUCK:g} s: {books.standing()}")]
            time.sleep(0.05)
        return []

    def _check(self, stuck: Sequence[Fault]) -> None:
        installation = self._installation
        evidence = Evidence.of(
            installation.books, installation.deeds(), self._crowd.journal, installation.chaos / "acknowledged"
        )
        self._report.counts = checker.counts(evidence)
        self._report.faults += [*stuck, *checker.faults(evidence)]
        self._report.faults += [Fault(promise="stuck", text=text) for text in installation.refusals]
