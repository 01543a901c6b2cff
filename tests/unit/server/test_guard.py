"""The guard, seen from processes of its own; it is never armed in pytest's."""

from __future__ import annotations

import marshal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.server import hostile

ACCELERATOR_IS_A_FILE = "_pickle" not in sys.builtin_module_names
FORBIDDEN = [
    "cloudpickle", "dill", "joblib", "jsonpickle", "multiprocess", "multiprocessing", "pickle5", "shelve", "zodbpickle",
]  # fmt: skip
REFUSED = ("UnpicklingRefusedError", "ForbiddenImportError")


def outcome(trace: bool, run: subprocess.CompletedProcess[str]) -> str:
    """Whether a payload fired, or was refused by the guard; a process that failed otherwise proves nothing."""
    refused = run.returncode != 0 and any(refusal in run.stderr for refusal in REFUSED)
    return {(True, False): "fired", (False, True): "refused"}.get((trace, refused), run.stderr)


def python(program: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def said(program: str, *, cwd: Path | None = None) -> str:
    run = python(program, cwd=cwd)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.fixture(params=hostile.WAYS)
def way(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name == "the accelerator's file" and not ACCELERATOR_IS_A_FILE:
        pytest.skip("this Python has the accelerator built in, so there is no file to load")
    return hostile.WAYS[name]


def test_a_canary_fires_in_an_unguarded_process(way: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    hostile.read(way, hostile.file_canary(trace), tmp_path)
    assert trace.exists()


def test_no_canary_fires_in_a_guarded_process(way: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    run = hostile.read(way, hostile.file_canary(trace), tmp_path, before=hostile.ARMED)
    assert outcome(trace.exists(), run) == "refused"


@pytest.mark.parametrize("guarded", [False, True])
def test_a_pickle_starts_a_process_only_without_the_guard(guarded: bool, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    before = hostile.ARMED if guarded else ""
    run = hostile.read(hostile.WAYS["pickle.loads"], hostile.process_canary(trace), tmp_path, before=before)
    assert outcome(trace.exists(), run) == ("refused" if guarded else "fired")


@pytest.mark.parametrize("guarded", [False, True])
def test_a_pickle_opens_a_connection_only_without_the_guard(guarded: bool, tmp_path: Path) -> None:
    with hostile.listener() as server:
        payload = hostile.socket_canary(server.getsockname()[1])
        before = hostile.ARMED if guarded else ""
        run = hostile.read(hostile.WAYS["pickle.loads"], payload, tmp_path, before=before)
        assert outcome(hostile.connected(server), run) == ("refused" if guarded else "fired")


@pytest.mark.parametrize("guarded", [False, True])
def test_an_extension_code_finds_its_function_only_without_the_guard(guarded: bool, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    register = "import copyreg; copyreg.add_extension('os', 'mkdir', 1)\n"
    path = str(trace).encode()
    payload = b"\x80\x02\x82\x01X" + len(path).to_bytes(4, "little") + path + b"\x85R."
    before = register + (hostile.ARMED if guarded else "")
    run = hostile.read(hostile.WAYS["pickle.loads"], payload, tmp_path, before=before)
    assert outcome(trace.exists(), run) == ("refused" if guarded else "fired")


@pytest.mark.parametrize("way", ["import pickle; pickle.dumps(1)", "import pickle, io; pickle.Pickler(io.BytesIO())"])
def test_a_guarded_process_does_not_pickle_either(way: str) -> None:
    assert "UnpicklingRefusedError" in python(hostile.ARMED + way).stderr


@pytest.mark.parametrize("name", FORBIDDEN)
@pytest.mark.parametrize("how", ["import {0}", "import importlib; importlib.import_module('{0}')"])
def test_a_module_that_exists_to_unpickle_cannot_be_imported(name: str, how: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text("print('loaded')")
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    assert said(path + how.format(name)) == "loaded"
    run = python(path + hostile.ARMED + how.format(name))
    assert "loaded" not in run.stdout
    assert "ForbiddenImportError" in run.stderr


def test_an_optional_import_of_a_forbidden_module_falls_back() -> None:
    program = "try:\n    import cloudpickle\nexcept ImportError:\n    print('did without')"
    assert said(hostile.ARMED + program) == "did without"


def test_code_objects_are_read_by_the_import_system_alone(tmp_path: Path) -> None:
    code = marshal.dumps(compile("print('ran')", "somewhere", "exec"))
    program = f"import marshal; exec(marshal.loads({code!r}))"
    assert said(program) == "ran"
    assert "UnpicklingRefusedError" in python(hostile.ARMED + program).stderr
    (tmp_path / "cached.py").write_text("print('imported')")
    said("import cached", cwd=tmp_path)  # writes the .pyc
    assert said(hostile.ARMED + "import cached", cwd=tmp_path) == "imported"


def test_the_libraries_of_the_server_work_under_the_guard() -> None:
    program = """
import asyncio, concurrent.futures, http.client, logging.config, logging.handlers, sqlite3, uuid
import aiohttp, aiohttp.web, alembic.command, alembic.config, click, msgspec, sqlalchemy
from sqlalchemy.ext import serializer
with sqlalchemy.create_engine("sqlite://").connect() as connection:
    print(connection.execute(sqlalchemy.text("SELECT 41 + 1")).scalar())
async def main():
    aiohttp.web.Application().router.add_get("/", main)
    async with aiohttp.ClientSession() as session:
        return session.closed
print(asyncio.run(main()), guard.status())
"""
    assert said(hostile.ARMED + program).split() == ["42", "False", "armed"]


def test_importing_the_guard_arms_nothing() -> None:
    assert said("from covalent_server import guard; import pickle; print(guard.status(), pickle.loads(b'N.'))") == (
        "off None"
    )


def test_arming_twice_changes_nothing() -> None:
    program = (
        "finders = len(__import__('sys').meta_path); print(guard.arm(), len(__import__('sys').meta_path) - finders)"
    )
    assert said(hostile.ARMED + program) == "armed 0"


@pytest.mark.parametrize("early", ["pickle", "_pickle", "multiprocessing", "cloudpickle"])
def test_an_unpickler_that_came_first_makes_the_guard_late(early: str) -> None:
    assert said(f"import {early}\n{hostile.ARMED}print(guard.status())") == "late"


@pytest.mark.parametrize(
    "held",
    [
        "import pickle; opened = pickle.loads",
        "import pickle; opened = pickle._loads",
        "import pickle; opened = lambda data: pickle.loads(data)",
        "import pickle, io; kept = pickle._Unpickler; opened = lambda data: kept(io.BytesIO(data)).load()",
        "import pickle, io; kept = pickle.Unpickler; opened = lambda data: kept(io.BytesIO(data)).load()",
        "import pickle, io\nclass Kept(pickle._Unpickler): pass\nopened = lambda data: Kept(io.BytesIO(data)).load()",
        "from cloudpickle import loads as opened",
    ],
)
def test_a_late_guard_refuses_what_was_taken_before_it(held: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    hostile.read("opened(DATA)", hostile.file_canary(trace), tmp_path, before=held)
    assert trace.exists()
    trace.unlink()
    run = hostile.read("opened(DATA)", hostile.file_canary(trace), tmp_path, before=f"{held}\n{hostile.ARMED}")
    assert not trace.exists()
    assert "UnpicklingRefusedError" in run.stderr


def test_the_command_is_armed_before_it_imports_anything_else() -> None:
    program = """
import sys
from covalent_server import __main__
early = sorted(name for name in sys.modules if name.startswith("covalent"))
sys.argv = ["covalent", "--version"]
try:
    __main__.main()
except SystemExit:
    pass
print(early, __main__.guard.status())
"""
    output = said(program).splitlines()
    assert output[-1] == "['covalent_server', 'covalent_server.__main__', 'covalent_server.guard'] armed"
