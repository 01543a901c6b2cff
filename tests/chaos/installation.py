"""A server's home whose processes can be killed at any site, and the crowd that works with it meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from tests.acceptance.interpreters import ROOT, environment
from tests.chaos import inside, points
from tests.chaos.books import Books
from tests.chaos.database import Postgres
from tests.chaos.deeds import Deed
from tests.installation import Installation, alive, wait_until
from tests.wheels import wheel

#: The first line of every process of such an environment. The repository is on its path only for this import.
_PTH: Final = (
    f"import os, sys; {inside.VARIABLE!r} in os.environ and (sys.path.append({str(ROOT)!r}), "
    f"__import__('tests.chaos.inside', fromlist=['arm']).arm(), sys.path.remove({str(ROOT)!r}))\n"
)
#: How often a server that was killed while it started is started once more.
_STARTS: Final = 5
#: Long enough for a process to come to its point on a busy machine, in seconds.
_FIRING: Final = 25.0
_USERS: Final = 3
#: How long a lease lives, in seconds.
LEASE_TTL: Final = 5.0


def pythons(directory: Path, count: int) -> list[str]:
    """Interpreters of environments of their own, so that each has a pool of workers of its own."""
    made = []
    for number in range(count):
        place = directory / f"environment{number}"
        made.append(environment(sys.executable, place, sdk=True))
        (packages,) = place.glob("lib/python*/site-packages")
        (packages / "chaos.pth").write_text(_PTH, encoding="utf-8")
    return made


class Endangered(Installation):
    """A server's home, with everything that is done to it."""

    def __init__(self, root: Path, python: str, postgres: Postgres | None) -> None:
        super().__init__(root, python, database_url=postgres.url if postgres else "")
        #: None for SQLite.
        self.postgres = postgres
        self.chaos = root / "chaos"
        for name in ("armed", "fired"):
            (self.chaos / name).mkdir(parents=True)
        #: A user has the same variables, but for what endangers a process.
        self.users = dict(self.environ)
        self.environ |= {
            inside.VARIABLE: str(self.chaos),
            "COVALENT_LEASE_TTL": str(LEASE_TTL),
            "COVALENT_LOCAL_SLOTS": "2",
        }
        secrets = root / "config" / "secrets"
        secrets.mkdir(mode=0o700, parents=True)
        (secrets / "password").touch(mode=0o600)
        (secrets / "password").write_text("well hidden")
        self.books = Books(data_dir=self.data, url=self.database_url)
        self._armed = 0
        #: Servers that said that they cannot start, without having been killed.
        self.refusals: list[str] = []

    def __enter__(self) -> Self:
        return self

    def ensure_started(self) -> None:
        """``covalent start``, again when it was killed in the middle of it, as somebody would at a terminal."""
        for _ in range(_STARTS):
            done = self.command("start", "--json", check=False)
            if done.returncode == 0:
                self._started(done)
                assert json.loads(done.stdout)["guard"] == "armed", done.stdout
                break
            if "already running" in done.stderr:
                # The command was killed, and the server that it had started was not.
                told = wait_until(self._running, "the server that is starting")
                self.url, self.pid = told["url"], told["pid"]
                self.environ["COVALENT_SVC_PORT"] = str(urlsplit(self.url).port)
                break
            if not self._explained(done):
                self.refusals.append(f"covalent start ended with {done.returncode}: {done.stderr[-500:]}")
        else:
            raise AssertionError(f"the server does not start:\n{self.refusals[-1:]}\n{self.log()[-5000:]}")
        self.users.setdefault("COVALENT_SERVER_URL", self.url)

    @property
    def port(self) -> int:
        """Where the server listens."""
        return urlsplit(self.url).port or 0

    def lead_through(self, port: int) -> None:
        """Let users, and the workers that are started from now on, speak to a proxy."""
        (self.chaos / "proxy").write_text(f"http://localhost:{port}", encoding="ascii")
        self.users |= {"COVALENT_SERVER_URL": f"http://localhost:{port}", "COVALENT_API_TOKEN": self.token}

    def _running(self) -> dict[str, object] | None:
        done = self.command("status", "--json", check=False)
        with suppress(ValueError):
            told: dict[str, object] = json.loads(done.stdout)
            if told.get("state") == "running":
                return told
        return None

    def _explained(self, done: subprocess.CompletedProcess[str]) -> bool:
        """Whether a start failed because somebody was killed: the command, the server, or the migration."""
        roles = {deed.role for deed in self.deeds()[-1:]}
        return done.returncode == -signal.SIGKILL or bool(roles & {"server", "migration"})

    # -- points

    def arm(self, point: str, passes: int, instead: Sequence[int] = ()) -> int:
        """Let the next process that comes to a point for the so-many-th time die there, or others crash instead."""
        self._armed += 1
        words = [self._armed, passes, *([int(signal.SIGQUIT), *instead] if instead else [])]
        hidden = self.chaos / f"arming{self._armed}"
        hidden.write_text(" ".join(map(str, words)), encoding="ascii")
        hidden.rename(self.chaos / "armed" / point)
        return self._armed

    def fired(self, number: int, seconds: float = _FIRING) -> Deed | None:
        """Wait for a point's deed, and for the end of its process; None when nobody came there."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for deed in self.deeds():
                if deed.number == number:
                    wait_until(lambda deed=deed: not alive(deed.pid), "a process to end that has killed itself")
                    return deed
            time.sleep(0.01)
        return None

    def disarm(self, point: str) -> None:
        """Nobody has come there, and nobody is to die there later."""
        (self.chaos / "armed" / point).unlink(missing_ok=True)

    # -- from outside

    def kill_all(self, victims: Sequence[tuple[int, str]]) -> list[str]:
        """``kill -9`` of processes, given with their roles; the roles of those that were still there."""
        killed = []
        for pid, role in victims:
            inside.note(str(self.chaos / "deeds"), f"0 outside {pid} {role} {time.monotonic()}")
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed.append(role)
        for pid, _ in victims:
            wait_until(lambda pid=pid: not alive(pid), "a killed process to end")
        if self.postgres is not None:
            self.postgres.recover(pid for pid, role in victims if role == "session")
        return killed

    def crash_database(self, postgres: Postgres) -> None:
        """End PostgreSQL in the midst of a transaction, right before its commit, and start it again."""
        number = self.arm(points.MIDST, 1, instead=[*postgres.sessions(), postgres.cluster.pid])
        if self.fired(number) is None:
            self.disarm(points.MIDST)
        postgres.restart()

    def note_planned(self) -> None:
        """Workers are about to be stopped as a user stops them: what they run will run again."""
        for pid in self.supervisors():
            inside.note(str(self.chaos / "deeds"), f"0 planned {pid} worker {time.monotonic()}")

    def deeds(self) -> list[Deed]:
        """All that was done so far."""
        path = self.chaos / "deeds"
        lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
        words = [line.split() for line in lines]
        return [
            Deed(number=int(number), point=point, pid=int(pid), role=role, at=float(at))
            for number, point, pid, role, at in words
        ]

    def supervisors(self) -> list[int]:
        """The workers, without their janitors, which bear the same command line."""
        pids = set(self.worker_pids())
        return sorted(pid for pid in pids if parent(pid) not in pids)

    def runners(self) -> list[int]:
        """The processes that run tasks."""
        workers = set(self.supervisors())
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            pid = int(entry.name)
            with suppress(OSError):
                if parent(pid) in workers and b"covalent.worker.runner" in (entry / "cmdline").read_bytes():
                    found.append(pid)
        return sorted(found)

    def sessions(self) -> list[int]:
        """The processes of PostgreSQL that serve the server."""
        return [] if self.postgres is None else self.postgres.sessions()

    def __exit__(self, *error: object) -> None:
        for path in (self.chaos / "armed").iterdir():
            path.unlink()
        super().__exit__(*error)


def parent(pid: int) -> int:
    """The process that a process was started by; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


class Crowd:
    """Users at work; see ``crowd.py``."""

    def __init__(self, installation: Endangered, interpreters: Sequence[str], seed: str) -> None:
        self.directory = installation.root / "crowd"
        (self.directory / "wanted").mkdir(parents=True)
        self.journal = self.directory / "journal"
        self.journal.touch()
        shutil.copy(Path(__file__).with_name("crowd.py"), self.directory)
        (self.directory / "stock.py").write_text("def square(number):\n    return number * number\n")
        self._options = {
            "directory": str(self.directory),
            "journal": str(self.journal),
            "seed": seed,
            "pythons": list(interpreters),
            "shelf": str(self.directory / "shelf"),
            "users": _USERS,
        }
        self._installation = installation
        self._wanted = 0

    def __enter__(self) -> Self:
        self._complaints = (self.directory / "complaints").open("w")
        self._process = subprocess.Popen(
            [self._installation.python, "crowd.py", json.dumps(self._options)],
            cwd=self.directory,
            env=self._installation.users,
            stdin=subprocess.DEVNULL,
            stdout=self._complaints,
            stderr=self._complaints,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._complaints.close()

    def want(self, kind: str) -> None:
        """Have the next workflow be of a kind."""
        self._wanted += 1
        if kind == "packages":  # one that nobody has asked for
            wheel(self.directory / "shelf", f"ware{self._wanted}", "1.0")
        (self.directory / "wanted" / f"{self._wanted:04}.{kind}").touch()

    def enough(self) -> None:
        """Let the users wait for what they have begun, and begin nothing more."""
        (self.directory / "enough").touch()

    def gone(self) -> bool:
        """Whether all of them have what they waited for."""
        return self._process.poll() is not None

    def complaints(self) -> str:
        """What they printed."""
        return (self.directory / "complaints").read_text(errors="replace")
