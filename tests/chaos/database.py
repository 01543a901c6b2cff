"""The PostgreSQL of one life, which is hurt like everything else; without one a server works on SQLite, in a file."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import points
from tests.installation import wait_until
from tests.postgres import Cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A database in a cluster that nobody else uses, so that it may be killed as often as a run wants."""

    cluster: Cluster
    name: str

    @property
    def url(self) -> str:
        """What servers and the books are told."""
        return self.cluster.url(self.name)

    def sessions(self) -> list[int]:
        """The processes that serve the server."""
        return self.cluster.backends(self.name)

    def recover(self, killed: Iterable[int]) -> None:
        """Wait until it is over that a session was killed: PostgreSQL ends all others, too, and answers nobody."""
        for pid in killed:
            wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), "PostgreSQL to see that a session was killed")
        self.sessions()

    def restart(self) -> None:
        """End it in immediate mode, as if its machine had crashed, and start it."""
        self.cluster.stop(signal.SIGQUIT)
        self.cluster.start()

    def keep(self, directory: Path) -> None:
        """Leave the books of a run that found something behind."""
        (directory / "books.sql").write_bytes(self.cluster.dump(self.name))


@contextmanager
def provided(database: str) -> Iterator[Postgres | None]:
    """What a server of a kind of database is given."""
    if database == points.SQLITE:
        yield None
        return
    with Cluster() as cluster, cluster.database() as name:
        yield Postgres(cluster=cluster, name=name)
