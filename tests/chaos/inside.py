"""What is in every process that may be killed at a site: rewritten modules, and the gate that they pass.

An interpreter whose environment has ``chaos.pth`` (:mod:`tests.chaos.installation`) loads this first of all; without
the variable ``CHAOS`` it does nothing. ``CHAOS`` names a directory::

    armed/<point>       "<number> <pass>": who comes to the point, as its so-many-th pass, kills itself;
                        "<number> <pass> <signal> <pid> ...": or lets these processes end instead, and goes on
    fired/<number>      the same file afterwards: who renames it is the one, whatever else passes there
    deeds               a line for each death: what fired, in which process, when
    acknowledged        a line for each result that a worker was told to be stored
    proxy               where workers are to find the server
    clock               seconds by which the clock of the server's processes is wrong

The standard library alone is imported, and of it nothing that loads pickle: the server's guard comes after this, and
``covalent start`` would refuse to be started late. Production code knows nothing of any of this.
"""

from __future__ import annotations

import ast
import builtins
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any, Final, TypeVar

from tests.chaos import sites

T = TypeVar("T")

VARIABLE: Final = "CHAOS"
#: The directories of the packages' sources, as they end.
_SOURCES: Final = ("/covalent-sdk/src/", "/covalent-server/src/")
_ANSWERS: Final = "/aiohttp/web_response.py"


class Gate:
    """Lets calls pass, or kills the process before or after one, or others in its place."""

    def __init__(self, directory: Path) -> None:
        self._armed = str(directory / "armed")
        self._fired = str(directory / "fired")
        self._deeds = str(directory / "deeds")
        self._acknowledged = str(directory / "acknowledged")
        self._passes: dict[str, int] = {}

    def around(self, site: str, call: Callable[[], T]) -> T:
        """A call."""
        self.fire(f"{site}:before")
        value = call()
        self.fire(f"{site}:after")
        return value

    async def awaited(self, site: str, call: Callable[[], Awaitable[T]]) -> T:
        """What is awaited."""
        self.fire(f"{site}:before")
        value = await call()
        self.fire(f"{site}:after")
        return value

    def transaction(self, site: str, context: Any) -> Any:
        """A transaction, which is committed when its block has ended."""
        return _Transaction(self, site, context)

    def answering(self, write_eof: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """The writing of an answer: its last bytes go to the system before it returns."""

        async def gated(response: Any, data: bytes = b"") -> None:
            request = response._req
            handler = getattr(getattr(request, "match_info", None), "handler", None)
            if handler is None or request.method == "GET":
                await write_eof(response, data)
                return
            await self.awaited(f"{handler.__module__}:{handler.__name__}.answer", lambda: write_eof(response, data))

        return gated

    def acknowledged(self, items: Any) -> None:
        """A worker was told that results are stored: note whose, and what they were."""
        lines = []
        for item in items:
            completion = item.result.completion
            key = completion.key
            words = (
                completion.outcome.name,
                key.node,
                key.attempt,
                completion.output or "-",
                os.getpid(),
                time.monotonic(),
            )
            lines.append(" ".join(map(str, words)))
        note(self._acknowledged, *lines)

    def fire(self, point: str) -> None:
        """Kill whom it is to be if the point is armed and it is the pass for it."""
        armed = f"{self._armed}/{point}"
        try:
            descriptor = os.open(armed, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        text = os.read(descriptor, 1000)
        os.close(descriptor)
        number, wanted, *instead = text.decode().split()
        key = f"{number} {point}"
        self._passes[key] = self._passes.get(key, 0) + 1
        if self._passes[key] < int(wanted):
            return
        try:
            os.rename(armed, f"{self._fired}/{number}")  # noqa: PTH104  (no Path is needed where nothing may go wrong)
        except OSError:
            return  # somebody else was first
        how, *pids = map(int, instead or (signal.SIGKILL, os.getpid()))
        whose = "session" if instead else role()
        note(self._deeds, *(f"{number} {point} {pid} {whose} {time.monotonic()}" for pid in pids))
        for pid in pids:
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                continue


class _Transaction:
    def __init__(self, gate: Gate, site: str, context: Any) -> None:
        self._gate, self._site, self._context = gate, site, context

    def __enter__(self) -> Any:
        return self._context.__enter__()

    def __exit__(self, *error: object) -> Any:
        if error[0] is None:
            self._gate.fire(f"{self._site}:before")
        value = self._context.__exit__(*error)
        if error[0] is None:
            self._gate.fire(f"{self._site}:after")
        return value


def note(path: str, *lines: str) -> None:
    """Append lines, all or none."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(descriptor, "".join(f"{line}\n" for line in lines).encode())
    os.close(descriptor)


def role() -> str:
    """What this process is."""
    with open("/proc/self/cmdline", "rb") as file:  # noqa: PTH123  (as light as it can be)
        words = file.read().decode("utf-8", "replace").split("\0")
    text = " ".join(words)
    if "covalent.worker.runner" in text:
        return "runner"
    if "covalent.worker.building" in text or "covalent.worker.layers" in text:
        return "builder"
    if "covalent.worker" in words:
        return "worker"
    if "migrate" in words:
        return "migration"
    return "server" if "--foreground" in words else "command"


def arm() -> None:
    """Rewrite the modules that are still to come; called at the start of an interpreter, for some of them twice."""
    if hasattr(builtins, sites.GATE):
        return
    directory = Path(os.environ[VARIABLE])
    setattr(builtins, sites.GATE, Gate(directory))
    # What is compiled here must not be taken for the real thing by others, nor theirs be taken here.
    sys.pycache_prefix = str(directory.parent / "bytecode")
    plain = SourceFileLoader.source_to_code

    def source_to_code(loader: SourceFileLoader, data: Any, path: Any, **options: Any) -> CodeType:
        module = _module(str(path))
        if module is not None:
            tree, _ = sites.rewritten(bytes(data).decode(), module)
            data = _noting(tree) if module == "covalent.worker.outbox" else tree
        elif str(path).endswith(_ANSWERS):
            data = _gating_answers(ast.parse(bytes(data)))
        return plain(loader, data, path, **options)

    SourceFileLoader.source_to_code = source_to_code  # type: ignore[method-assign,assignment]
    if role() in {"server", "migration"}:
        _shift_clock(directory / "clock")
    if role() == "worker" and (directory / "proxy").exists():
        sys.argv[sys.argv.index("--server") + 1] = (directory / "proxy").read_text(encoding="ascii")


def _module(path: str) -> str | None:
    for source in _SOURCES:
        _, found, rest = path.partition(source)
        if found:
            return rest.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return None


def _function(tree: ast.Module, owner: str, name: str) -> Any:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == owner:
            for item in node.body:
                if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)) and item.name == name:
                    return item
    raise LookupError(f"{owner}.{name} is gone; say in tests/chaos/inside.py what has become of it")


def _noting(tree: ast.Module) -> ast.Module:
    function = _function(tree, "Outbox", "acknowledged")
    items = function.args.args[1].arg
    function.body[1:1] = ast.parse(f"{sites.GATE}.acknowledged({items})").body
    return ast.fix_missing_locations(tree)


def _gating_answers(tree: ast.Module) -> ast.Module:
    function = _function(tree, "Response", "write_eof")
    function.decorator_list.append(ast.parse(f"{sites.GATE}.answering", mode="eval").body)
    return ast.fix_missing_locations(tree)


def _shift_clock(path: Path) -> None:
    """Let the clock on the wall be wrong by what a file says.

    ``time.time`` is what the server takes the time of day from. The system's own clock is everybody's, and a library
    that stands before the system's (``LD_PRELOAD``) is not what users run.
    """
    right = time.time
    place = str(path)

    def shifted() -> float:
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return right()
        text = os.read(descriptor, 100)
        os.close(descriptor)
        return right() + float(text or 0)

    time.time = shifted
