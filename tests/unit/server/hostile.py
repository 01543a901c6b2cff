"""Pickles that act when they are read, and the ways by which a process could be brought to read one.

The payloads are only ever opened in processes of their own, with the guard or, to prove that they do act, without it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ARMED: Final = "from covalent_server import guard; guard.arm()\n"
#: Every way finds the payload in DATA.
_PRELUDE: Final = "import sys; DATA = open(sys.argv[1], 'rb').read()\n"

_OWN_LOOKUP: Final = """
class Sly({base}):
    def find_class(self, module, name):
        __import__(module)
        return getattr(sys.modules[module], name)
import io
Sly(io.BytesIO(DATA)).load()
"""
_WITHOUT_FINDER: Final = """
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "covalent_server.guard"]
sys.modules.pop("pickle", None); sys.modules.pop("_pickle", None)
"""
_FROM_FILE: Final = """
import importlib.util, pathlib
spec = importlib.util.spec_from_file_location({name}, {path})
module = importlib.util.module_from_spec(spec); sys.modules[spec.name] = module; spec.loader.exec_module(module)
"""
_SOURCE: Final = "pathlib.Path(importlib.util.__file__).parents[1] / 'pickle.py'"
_ACCELERATOR: Final = "next(pathlib.Path(importlib.util.__file__).parents[1].glob('lib-dynload/_pickle.*'))"

#: Ways to the payload in DATA, as programs.
WAYS: Final[dict[str, str]] = {
    "pickle.loads": "import pickle; pickle.loads(DATA)",
    "pickle.load": "import pickle, io; pickle.load(io.BytesIO(DATA))",
    "the accelerator": "import _pickle; _pickle.loads(DATA)",
    "the pure Python loads": "import pickle; pickle._loads(DATA)",
    "an unpickler": "import pickle, io; pickle.Unpickler(io.BytesIO(DATA)).load()",
    "a subclass of the unpickler": "import pickle" + _OWN_LOOKUP.format(base="pickle.Unpickler"),
    "a subclass of the pure Python unpickler": "import pickle" + _OWN_LOOKUP.format(base="pickle._Unpickler"),
    "import by name": "import importlib; importlib.import_module('pickle').loads(DATA)",
    "reload": "import importlib, pickle; importlib.reload(pickle).loads(DATA)",
    "import again": "import pickle; del sys.modules['pickle']; import pickle; pickle.loads(DATA)",
    "import without the finder": f"{_WITHOUT_FINDER}import pickle; pickle.loads(DATA)",
    "the accelerator without the finder": f"{_WITHOUT_FINDER}import _pickle; _pickle.loads(DATA)",
    "import by name without the finder": _WITHOUT_FINDER
    + "import importlib; importlib.import_module('pickle').loads(DATA)",
    "the source file": _FROM_FILE.format(name="'innocent'", path=_SOURCE)
    + _OWN_LOOKUP.format(base="module._Unpickler"),
    "a copy of the source": "import shutil, importlib.util, pathlib; shutil.copy("
    + _SOURCE
    + ", sys.argv[1] + '.py')"
    + _FROM_FILE.format(name="'innocent'", path="sys.argv[1] + '.py'")
    + _OWN_LOOKUP.format(base="module._Unpickler"),
    "the accelerator's file": _FROM_FILE.format(name="'innocent._pickle'", path=_ACCELERATOR)
    + _OWN_LOOKUP.format(base="module.Unpickler"),
    "shelve": "import shelve; shelve.Shelf({b'key': DATA})['key']",
    "multiprocessing": "from multiprocessing.reduction import ForkingPickler; ForkingPickler.loads(DATA)",
    "a connection of multiprocessing": """
from multiprocessing.connection import Connection
import os, socket
ours, theirs = socket.socketpair()
Connection(ours.detach())._send_bytes(DATA)
Connection(theirs.detach()).recv()
""",
    "cloudpickle": "import cloudpickle; cloudpickle.loads(DATA)",
    "a subinterpreter": """
try:
    import _interpreters as interpreters
except ModuleNotFoundError:
    import _xxsubinterpreters as interpreters
interpreters.run_string(interpreters.create(), f"import pickle; pickle.loads({DATA!r})")
""",
    "SQLAlchemy's PickleType": """
import sqlalchemy
from sqlalchemy.dialects import sqlite
sqlalchemy.PickleType().result_processor(sqlite.dialect(), None)(DATA)
""",
    "SQLAlchemy's serializer": """
from sqlalchemy.ext import serializer
import sqlalchemy
serializer.loads(DATA, sqlalchemy.MetaData())
""",
}


@dataclass(frozen=True, slots=True)
class Call:
    """An object whose pickle calls a function when it is read."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.function, self.arguments


def file_canary(trace: Path) -> bytes:
    """A pickle that leaves a file."""
    return pickle.dumps(Call(open, (str(trace), "x")))


def process_canary(trace: Path) -> bytes:
    """A pickle that starts a process, which leaves a file."""
    return pickle.dumps(Call(os.system, (f"echo > '{trace}'",)))


def socket_canary(port: int) -> bytes:
    """A pickle that connects to a port of this machine."""
    return pickle.dumps(Call(socket.create_connection, (("127.0.0.1", port),)))


def read(way: str, payload: bytes, directory: Path, *, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program that reads the payload by a way; ``before`` runs first, :data:`ARMED` for instance."""
    file = directory / "payload"
    file.write_bytes(payload)
    program = f"{before}\n{_PRELUDE}\n{way}"
    command = [sys.executable, "-c", program, str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)


@contextlib.contextmanager
def listener() -> Any:
    """A port that nobody is expected to connect to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)  # noqa: FBT003  (socket's own signature)
        yield server


def connected(server: socket.socket) -> bool:
    """Whether somebody has connected."""
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True
