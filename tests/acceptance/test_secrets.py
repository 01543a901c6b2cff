"""Secrets: tasks have their values, and nothing that a run leaves anywhere holds one.

Tasks try to give a canary away in every way that happens by accident. Beside it they handle a decoy in just the same
ways that is no secret: where the decoy is found, the search would have found the canary.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from covalent_server.web import streaming
from covalent_server.web.app import ROUTES
from covalent_server.web.routing import Scope
from tests.acceptance.interpreters import with_the_sdk_alone
from tests.acceptance.programs import Project
from tests.installation import Installation

#: A piece of a value of so many letters gives it away.
_PIECE = 12

_SCRIPT = """
import ctypes
import hashlib
import logging
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

canary, port = ct.Secret("canary"), ct.Secret("PORT_OF_CANARY")
decoy = Path(decoy_file).read_text()
DIGEST = "the value's own digest"


class Shown:
    def __init__(self, decoy):
        self.decoy = decoy

    def __str__(self):
        return f"shown: {canary.get()} {self.decoy}"


class Held:
    def __init__(self, size):
        self.size = size

    def __str__(self):
        return "x" * self.size + canary.get()


def digest(value):
    return hashlib.sha256(value.encode()).hexdigest()


@ct.electron
def has(secret):
    return digest(secret.get())


@ct.electron
def prints(secret, decoy):
    value = secret.get()
    print("out", value, decoy, [value], {"key": value.encode()}, sep="|")
    print("err", value, decoy, file=sys.stderr)
    logging.warning("logged %s %s", value, decoy)
    subprocess.run(["sh", "-c", 'echo "child $KEY $DECOY"'], env={**os.environ, "KEY": value, "DECOY": decoy})
    ctypes.CDLL(None).puts(f"from C {value} {decoy}".encode())
    for letter in f"slowly {value} {decoy}\\n":
        os.write(1, letter.encode())
    sys.stdout.write("y" * (1 << 20) + value + "y" * 1000 + value)
    sys.stdout.flush()
    return digest(value)


@ct.electron
def streams(secret, decoy, directory):
    # Half of it is there for the worker to send while the task runs.
    value = secret.get()
    half = len(value) // 2
    print(decoy, value[:half], end="", flush=True)
    time.sleep(1.5)
    print(value[half:], decoy, flush=True)


@ct.electron
def forks(secret):
    def child():
        print("forked", secret.get(), flush=True)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    return process.exitcode


@ct.electron
def starts_another_python(secret):
    code = "import covalent as ct; print('spawned', ct.Secret('canary').get())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stderr.splitlines()[-1]


@ct.electron
def raises(secret, decoy):
    raise ValueError(f"the server said: bad key {secret.get()} {decoy} {'z' * 20_000} {secret.get()}")


@ct.electron
def asserts(secret, decoy):
    local = secret.get()
    assert local == decoy, (local, decoy)


@ct.electron
def exits(secret, decoy):
    sys.exit(f"{secret.get()} {decoy}")


@ct.electron
def dies(secret, decoy):
    print("last words", secret.get(), decoy, flush=True)
    os._exit(3)


@ct.electron(timeout=1)
def dawdles(secret, decoy):
    print("too slow", secret.get(), decoy, flush=True)
    time.sleep(600)


@ct.electron
def returns(secret):
    return {"key": secret.get()}


@ct.electron
def returns_much(secret):
    return [b"x" * 1_000_000, f"Bearer {secret.get()}".encode()]


@ct.electron
def cannot_be_written(secret):
    value = secret.get()

    class Stubborn:
        def __reduce__(self):
            raise TypeError(f"not {value} {decoy}")

    return Stubborn()


@ct.electron
def shows(secret, decoy):
    return Shown(decoy), [Shown(decoy)], Held(3990)


@ct.electron(env={"KEY_OF_CANARY": canary, "DECOY": decoy}, deps_bash='echo "bash $KEY_OF_CANARY $DECOY"')
def has_variables(decoy):
    print(os.environ["KEY_OF_CANARY"], decoy)
    return digest(os.environ["KEY_OF_CANARY"])


def before(secret, decoy):
    print("before", secret.get(), decoy)
    return digest(secret.get())


@ct.electron(call_before=[ct.DepsCall(before, args=[canary, decoy], retval_keyword="found")])
def called_before(found=None):
    return found


def fails_before(secret, decoy):
    raise ValueError(f"in a hook {secret.get()} {decoy}")


@ct.electron(call_before=[ct.DepsCall(fails_before, args=[canary, decoy])])
def fails_in_a_hook():
    return None


shell = ct.Lepton(
    language="bash",
    command='echo {key} {decoy}; found=$(printf %s {key} | sha256sum | cut -c1-64)',
    named_outputs=["found"],
)


@ct.electron
@ct.lattice
def inner(secret, decoy):
    return [has(secret), prints(secret, decoy)]


def one(task, *args, **kwargs):
    @ct.lattice
    def workflow():
        return task(*args, **kwargs)

    return workflow


given = [canary, decoy]
workflows = {
    "has": one(has, canary),
    "variable": one(has, port),
    "prints": one(prints, *given),
    "streams": one(streams, *given, ""),
    "forks": one(forks, canary),
    "starts_another_python": one(starts_another_python, canary),
    "raises": one(raises, *given),
    "asserts": one(asserts, *given),
    "exits": one(exits, *given),
    "dies": one(dies, *given),
    "dawdles": one(dawdles, *given),
    "returns": one(returns, canary),
    "returns_much": one(returns_much, canary),
    "cannot_be_written": one(cannot_be_written, canary),
    "shows": one(shows, *given),
    "has_variables": one(has_variables, decoy),
    "called_before": one(called_before),
    "fails_in_a_hook": one(fails_in_a_hook),
    "shell": one(shell, key=canary, decoy=decoy),
    "inner": one(inner, *given),
}
ids = {name: ct.dispatch(workflow)() for name, workflow in workflows.items()}
ids["of the dispatch"] = ct.dispatch(one(has_variables, decoy), env={"ANOTHER_KEY": canary, "ANOTHER_DECOY": decoy})()
for name, id in ids.items():
    result = ct.get_result(id, wait=True)
    result.save(f"saved-{name}")
    value = None if name == "shows" else result.result
    facts[name] = {"status": str(result.status), "value": value, "error": result.error, "id": id}
facts["local"] = digest(canary.get())
facts["early"] = raised(one(has, canary.get()).build_graph)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the secrets are, and nothing else."""
    directory = tmp_path_factory.mktemp("secrets")
    directory.chmod(0o700)
    return directory


class Run:
    """What came of it."""

    def __init__(self, root: Path, directory: Path) -> None:
        self.canary, self.port, self.decoy = (f"{kind}-{secrets.token_hex(12)}" for kind in ("canary", "port", "decoy"))
        for name, text in (("canary", f"{self.canary}\n"), ("decoy", self.decoy)):
            (directory / name).touch(mode=0o600)
            (directory / name).write_text(text)
        self._directory = directory
        self.installation = Installation(root / "installation")
        self.installation.environ["COVALENT_SECRETS_DIR"] = str(directory)
        self.installation.environ["PORT_OF_CANARY"] = self.port
        self.project = Project(root / "project", self.installation, with_the_sdk_alone(root / "environment"))
        self.facts: dict[str, Any] = {}

    def go(self) -> None:
        """Let the user's script run to its end."""
        self.facts = self.project.facts(f"decoy_file = {str(self._directory / 'decoy')!r}\n{_SCRIPT}")

    def answers(self) -> Iterator[tuple[str, bytes]]:
        """What the server tells its user: every route that can be asked for what there is, and comes to an end."""
        told = [route for route in ROUTES if route.method == "GET" and route.scope is Scope.USER]
        pages = [page for page in told if page.handler is not streaming.stream]
        assert len(pages) == len(told) - 1
        assert any("{stream}" in page.path for page in pages)
        for fact in self.facts.values():
            if not isinstance(fact, dict):
                continue
            nodes = self.installation.request("GET", f"/api/v1/dispatches/{fact['id']}/nodes").plain["nodes"]
            for page in pages:
                for node in nodes:
                    for stream in ("stdout", "stderr"):
                        path = page.path.format(id=fact["id"], node=node["node_id"], stream=stream, digest="0" * 64)
                        yield path, self.installation.request("GET", path).body

    def found(self, value: str) -> list[str]:
        """Where any part of a value is, in files and answers."""
        return self.files(value) + [path for path, body in self.answers() if _parts(value).search(body)]

    def files(self, value: str) -> list[str]:
        """The files of server, workers and user that hold any part of a value."""
        return [
            str(path)
            for root in (self.installation.root, self.project.directory)
            for path in root.rglob("*")
            if path.is_file() and _parts(value).search(path.read_bytes())
        ]


def _parts(value: str) -> re.Pattern[bytes]:
    """All pieces of a value that are long enough to be no chance."""
    return re.compile("|".join(value[start : start + _PIECE] for start in range(len(value) - _PIECE + 1)).encode())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, directory: Path) -> Iterator[Run]:
    run = Run(tmp_path_factory.mktemp("run"), directory)
    with run.installation:
        run.go()
        yield run


_WELL = {
    "has", "prints", "streams", "forks", "starts_another_python", "shows", "has_variables", "called_before", "shell",
    "inner", "of the dispatch", "variable",
}  # fmt: skip


def test_tasks_have_the_values(run: Run) -> None:
    facts = run.facts
    ended = {name for name, fact in facts.items() if isinstance(fact, dict) and fact["status"] == "COMPLETED"}
    assert ended == _WELL, {name: facts[name]["error"] for name in ended ^ _WELL}
    digest = hashlib.sha256(run.canary.encode()).hexdigest()
    for name in ("has", "prints", "has_variables", "called_before", "of the dispatch"):
        assert facts[name]["value"] == digest, name
    assert facts["inner"]["value"] == [digest, digest]
    assert facts["variable"]["value"] == hashlib.sha256(run.port.encode()).hexdigest()
    assert facts["shell"]["value"] == digest
    assert facts["local"] == digest
    assert facts["forks"]["value"] == 0


def test_the_canary_is_nowhere_while_the_server_runs(run: Run) -> None:
    assert run.found(run.canary) == []
    assert run.found(run.port) == []


def test_the_search_finds_what_is_no_secret(run: Run) -> None:
    found = run.found(run.decoy)
    for part in ("covalent.db", "/stdout", "/stderr", "/nodes", "saved-", "data/"):
        assert any(part in place for place in found), (part, found)


def test_what_was_hidden_is_seen_to_be(run: Run) -> None:
    stars = "*" * len(run.canary)
    told = {name: run.facts[name]["error"] for name in ("raises", "asserts", "exits", "cannot_be_written")}
    for name, error in told.items():
        assert stars in error, name
        assert run.decoy in error, name
    dispatch_id = run.facts["dies"]["id"]
    nodes = run.installation.request("GET", f"/api/v1/dispatches/{dispatch_id}/nodes").plain["nodes"]
    (number,) = [node["node_id"] for node in nodes if node["node_name"] == "dies"]
    path = f"/api/v1/dispatches/{dispatch_id}/nodes/{number}/stdout"
    assert run.installation.request("GET", path).body.decode() == f"last words {stars} {run.decoy}\n"


@pytest.mark.parametrize("name", ["returns", "returns_much"])
def test_a_task_that_returns_it_fails_and_says_so(run: Run, name: str) -> None:
    error = run.facts[name]["error"]
    assert "the value of the secret 'canary' stands in what is to be stored" in error
    assert "ct.Secret itself" in error


def test_a_process_that_a_task_starts_is_told_why_it_gets_none(run: Run) -> None:
    assert "look it up in the task itself" in run.facts["starts_another_python"]["value"]


def test_a_value_that_was_looked_up_before_is_not_sent(run: Run) -> None:
    assert "the value of the secret 'canary' stands in what is to be stored" in run.facts["early"]


def test_the_canary_is_nowhere_when_all_is_over(run: Run) -> None:
    run.installation.stop()
    try:
        assert run.files(run.canary) == []
        assert run.files(run.decoy)
    finally:
        run.installation.start()
