"""A workflow in this process: its graph is built, then its tasks are worked out one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import graphlib
import heapq
import os
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any, ParamSpec

from covalent import context, hooks, requirements, secret
from covalent.client.dispatching import check_lattice
from covalent.context import Context
from covalent.electron import unserialisable
from covalent.errors import DispatchFailedError, TransportError
from covalent.graph import TransportGraph
from covalent.hooks import HookError
from covalent.inputs import Inputs
from covalent.lattice import Lattice
from covalent.transportable import TransportableObject
from covalent.wire.manifest import Kind, Node
from covalent.workflows import replay

P = ParamSpec("P")


def run(lattice: Lattice[P]) -> Callable[P, Any]:
    """A function that takes the workflow's arguments, runs the workflow in this process and returns its value.

    The graph is built as ``ct.dispatch`` builds it, and every task is then run from it, with its commands and its
    calls before and after, sublattices too. Functions, inputs and outputs go through bytes as they do on their way
    to a worker: what cannot be serialised fails here, and a task that changes a global or an argument of yours
    changes its own copy. Variables of the environment and the working directory are put back after each task.

    What is left out: executors and ``deps_pip`` (everything runs here, with the packages that are here; a
    RuntimeWarning names those that are not), timeouts, pauses before retries, and the capture of what tasks
    print. The first task that fails for good ends the run, and its error comes out with a note that names the task.

    >>> ct.testing.run(sum_of_squares)(10)
    285
    """
    check_lattice("ct.testing.run", lattice)

    def evaluate(*args: P.args, **kwargs: P.kwargs) -> Any:
        built = copy.copy(lattice)
        built.build_graph(*args, **kwargs)
        with tempfile.TemporaryDirectory(prefix="covalent-") as checkpoints:
            return _Run(built.transport_graph, Path(checkpoints)).value()

    def evaluate_apart(*args: P.args, **kwargs: P.kwargs) -> Any:
        if not _has_loop():
            return evaluate(*args, **kwargs)
        # An electron that is a coroutine needs a loop of its own, and a thread has only one.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(copy_context().run, lambda: evaluate(*args, **kwargs)).result()

    return evaluate_apart


def _has_loop() -> bool:
    """Whether this thread runs an event loop, as in a notebook or in a test that is a coroutine."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _Run:
    """A graph's tasks, and what those have given that have run."""

    def __init__(self, graph: TransportGraph, checkpoints: Path) -> None:
        self._graph = graph
        self._id = str(uuid.uuid4())
        self._checkpoints = checkpoints
        self._outputs: dict[int, TransportableObject] = {}

    def value(self) -> Any:
        """The workflow's value."""
        self._look_for_packages()
        for node in _in_order(self._graph):
            self._outputs[node.id] = self._finished(node)
        return self._inputs().value(self._graph.output)

    def _look_for_packages(self) -> None:
        """Warn of what ``deps_pip`` asks for and is not here: nothing is installed for a test."""
        asked = dict.fromkeys(line for node in self._graph.nodes for line in _packages(node))
        missing = requirements.unmet(asked)
        if missing:
            warnings.warn(
                f"ct.testing.run runs tasks with the packages of this environment, which lacks {', '.join(missing)} "
                "of deps_pip; install them here, or test with ct.testing.server()",
                RuntimeWarning,
                stacklevel=4,
            )

    def _finished(self, node: Node) -> TransportableObject:
        """The output of a task, after as many attempts as it may have."""
        failure: BaseException | None = None
        for attempt in range(1, 2 + (node.metadata.retries or 0)):
            try:
                with _put_back(), context.entered(self._context(node, attempt)):
                    return self._attempted(node)
            except (Exception, SystemExit) as error:  # noqa: BLE001  whatever the user's code raises
                failure = error
        assert failure is not None  # noqa: S101  there was an attempt
        raise _told(failure, f"{node.name}({node.id})")

    def _context(self, node: Node, attempt: int) -> Context:
        return Context(
            dispatch_id=self._id,
            task_id=node.id,
            attempt=attempt,
            checkpoints=str(self._checkpoints / str(node.id)),
            temporary=str(self._checkpoints / f"temporary-{node.id}"),
        )

    def _attempted(self, node: Node) -> TransportableObject:
        os.environ.update(secret.variables(node.metadata.env))
        around = node.metadata.hooks
        injected = hooks.before(around, node.name, self._opened)
        function = self._opened(node.function)
        if node.kind is Kind.SUBLATTICE:
            function = run(function)
        if node.kind is Kind.REPLAY:
            function = functools.partial(replay, function)
        inputs = self._inputs()
        args = [inputs.value(template) for template in node.args]
        kwargs = {name: inputs.value(template) for name, template in node.kwargs.items()}
        value = hooks.settled(function(*args, **(kwargs | injected)))
        hooks.after(around, node.name, self._opened)
        try:
            with context.giving(stores=node.metadata.executor_data.get("store_files") is not False):
                return TransportableObject(value)
        except TransportError as error:
            raise unserialisable("its value", error) from None

    def _inputs(self) -> Inputs:
        return Inputs(lambda node: self._outputs[node].get_deserialized(), self._opened)

    def _opened(self, digest: str) -> Any:
        return self._graph.assets[digest].get_deserialized()


def _packages(node: Node) -> tuple[str, ...]:
    deps = node.metadata.hooks.deps
    return deps.pip if deps else ()


def _in_order(graph: TransportGraph) -> Iterator[Node]:
    """The nodes in the order of their calls, as far as they need not wait for later ones."""
    parents: dict[int, set[int]] = {node.id: set() for node in graph.nodes}
    for link in graph.links:
        parents[link.target].add(link.source)
    sorter = graphlib.TopologicalSorter(parents)
    sorter.prepare()
    ready: list[int] = []
    while sorter.is_active():
        for number in sorter.get_ready():
            heapq.heappush(ready, number)
        number = heapq.heappop(ready)
        yield graph.nodes[number]
        sorter.done(number)


def _told(error: BaseException, task: str) -> BaseException:
    """The user's own error, with notes that say where it was raised; a SystemExit must not end the tests."""
    notes = []
    while isinstance(error, HookError) and error.__cause__ is not None:
        notes.append(str(error))
        error = error.__cause__
    if isinstance(error, SystemExit):
        return DispatchFailedError(
            f"the task {task} called sys.exit({'' if error.code is None else repr(error.code)}); "
            "return a value or raise an error instead"
        )
    for note in (*notes, f"in the task {task}"):
        if note not in getattr(error, "__notes__", ()):  # the same object may have been raised before
            error.add_note(note)
    return error


@contextlib.contextmanager
def _put_back() -> Iterator[None]:
    """What a task changes of the environment and the working directory is put back after it."""
    variables, directory = dict(os.environ), Path.cwd()
    try:
        yield
    finally:
        os.chdir(directory)
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        for name, value in variables.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
