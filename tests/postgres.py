"""A PostgreSQL of the tests' own: made in a temporary directory, reached through a socket in it, stopped by its pid."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

import psycopg

from tests import components
from tests.installation import wait_until

_USER: Final = "covalent"
#: Whoever reads logs, records and process lists for it finds it as it is.
PASSWORD: Final = "hush-hush"  # noqa: S105  (it opens what the tests alone can reach)
#: Before a program that is to end with the process that started it, however that ends.
_TO_THE_TESTS_END: Final = ("setpriv", "--pdeathsig", "QUIT")
_HARD_STOP: Final = 60.0


class Cluster:
    """A PostgreSQL that listens on a socket alone, and does not wait for the disk: no machine dies in a test."""

    def __init__(self) -> None:
        self._programs = components.found(components.POSTGRESQL).resolve().parent
        # Not below pytest's directory: another account has to get there, and a socket's path must be short.
        self.root = Path(tempfile.mkdtemp(prefix="covalent-postgres-", dir="/tmp"))
        #: It refuses to run for root.
        self._account: dict[str, Any] = {}
        if os.geteuid() == 0:
            shutil.chown(self.root, "nobody")
            self._account = {"user": "nobody", "group": self.root.stat().st_gid, "extra_groups": []}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        password = self.root / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        made = ("--pgdata", str(self._data), "--username", _USER, "--pwfile", str(password))
        how = ("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync")
        self._run("initdb", *made, *how)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.root)

    @property
    def _data(self) -> Path:
        return self.root / "data"

    def _run(self, name: str, *arguments: str) -> bytes:
        command = [str(self._programs / name), *arguments]
        done = subprocess.run(command, cwd="/", check=True, capture_output=True, timeout=_HARD_STOP, **self._account)
        return bytes(done.stdout)

    def start(self) -> None:
        """Start it; returns when it answers."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self.root,
            "fsync": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "shared_buffers": "32MB",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_TO_THE_TESTS_END, self._programs / "postgres", "-D", self._data, *options],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._account,
            )
        wait_until(self._answers, f"PostgreSQL to answer; see {self.root}/log")

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError), self.connection():
            return True
        return False

    @property
    def pid(self) -> int:
        """The process that all others of it come from, while it runs."""
        assert self._process is not None
        return self._process.pid

    def stop(self, how: signal.Signals) -> None:
        """Stop it by a signal: SIGINT ends its sessions, SIGQUIT is as if the machine had crashed."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_HARD_STOP)
            self._process = None

    def connection(self, name: str = "postgres") -> psycopg.Connection[Any]:
        """A connection of somebody else than the server, each of whose statements is a transaction."""
        return psycopg.connect(
            host=str(self.root), user=_USER, password=PASSWORD, dbname=name, autocommit=True, connect_timeout=10
        )

    def url(self, name: str) -> str:
        """What COVALENT_DATABASE_URL is to be for a database."""
        return f"postgresql+psycopg://{_USER}:{PASSWORD}@/{name}?host={self.root}"

    def dump(self, name: str) -> bytes:
        """A database as a script that makes it again."""
        return self._run("pg_dump", "--dbname", self.url(name).replace("+psycopg", "", 1))

    def backends(self, name: str) -> list[int]:
        """The processes that serve a database's sessions, as soon as it answers."""
        wait_until(self._answers, "PostgreSQL to answer")
        with self.connection() as connection:
            found = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", [name])
            return [pid for (pid,) in found]

    @contextlib.contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The name of a new database, a copy of another, that is there for a while."""
        name = f"test_{secrets.token_hex(6)}"
        with self.connection() as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield name
        finally:
            with self.connection() as connection:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
