"""One run of a workflow function, during which electrons record themselves in a graph.

Nothing is remembered in electrons: what a build finds out (serialised functions, parameters, hooks) lives in the build.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from covalent.electron.assets import Assets
from covalent.electron.bound import BoundElectron, Step
from covalent.electron.parameters import Parameters
from covalent.electron.recording import Sublattice, Task
from covalent.electron.templates import Templates, holds_electrons
from covalent.errors import GraphError
from covalent.executors import Executor, LocalExecutor
from covalent.graph import TransportGraph
from covalent.options import Options
from covalent.references import collect
from covalent.transportable import TransportableObject
from covalent.wire.manifest import CLIENT_EXECUTOR, Deps, Hooks, Kind, Metadata

_NO_OPTIONS: Final = Options()


class Replay(NamedTuple):
    """What is needed to run a workflow function again."""

    function: TransportableObject
    #: ``{"args": tuple, "kwargs": dict}``.
    inputs: TransportableObject


class Declared(NamedTuple):
    """What a task is, whatever its arguments are."""

    kind: Kind
    #: The digest of its function or lattice.
    function: str
    metadata: Metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is found out about an electron once, for all its calls."""

    #: Whether it is a sublattice.
    nested: bool
    options: Options
    parameters: Parameters
    #: Keywords that its calls before will add.
    provided: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a lattice gives to its tasks."""

    #: For electrons, where they say nothing themselves.
    options: Options = field(default_factory=Options)
    #: Where operators, sublattices and the return value are worked out; None for the executor of the options.
    workflow_executor: Executor | None = None


class Build:
    """A graph in the making."""

    def __init__(self, name: str, defaults: Defaults | None = None, graph: TransportGraph | None = None) -> None:
        """``graph`` is one that is there already, to declare tasks for."""
        self.name = name
        self.graph = graph or TransportGraph(name)
        self._defaults = defaults or Defaults()
        self._assets = Assets(self.graph)
        self._templates = Templates(self._assets, self._node)
        self._lattices: dict[tuple[int, int], str] = {}
        self._tasks: dict[tuple[int, int], _Known] = {}
        self._options: dict[int, Options] = {}
        self._metadata: dict[int, Metadata] = {}
        #: The nodes that are calls of electrons, in the order of the calls.
        self._calls: list[int] = []
        #: Everything that is remembered by its id, so that no other object takes over the id.
        self._alive: list[object] = []

    # -- recording tasks

    def call(self, task: Task, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> BoundElectron:
        """Record the call of an electron."""
        self._check_open()
        names = self.accepting(task, args, kwargs)
        kind, function, metadata = self.declared(task)
        node = self.graph.add_node(
            task.name,
            function,
            args=[self._templates.argument(value, name, task.name) for name, value in zip(names, args, strict=True)],
            kwargs={name: self._templates.argument(value, name, task.name) for name, value in kwargs.items()},
            arg_names=names,
            metadata=metadata,
            kind=kind,
        )
        self._calls.append(node)
        return BoundElectron(self, node, task.name)

    def accepting(self, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[str]:
        """The parameters that take the positional arguments; raises ArgumentsError when the call does not fit."""
        known = self._known(task)
        known.parameters.check(args, kwargs, known.provided)
        return known.parameters.names(len(args))

    def declared(self, task: Task) -> Declared:
        """What a task is, whatever its arguments are; its function and hooks become the graph's assets."""
        known = self._known(task)
        return Declared(
            Kind.SUBLATTICE if known.nested else Kind.TASK,
            self._lattice(task) if known.nested else self._assets.function(task.function, task.name),
            self._resolved(known.options, self._builder(task) if known.nested else known.options.executor),
        )

    def operate(self, name: str, *operands: Any) -> BoundElectron:
        """Record a task that applies a function of the module ``operator``."""
        self._check_open()
        node = self.graph.add_node(
            name,
            self._assets.function(getattr(operator, name), name),
            args=[self._templates.argument(value, "ab"[index], name) for index, value in enumerate(operands)],
            arg_names="ab",
            metadata=self._resolved(_NO_OPTIONS, self._here()),
        )
        return BoundElectron(self, node, name)

    def finish(self, value: Any, *, replay: Replay | None = None) -> None:
        """Take the workflow function's value; with ``replay`` it is worked out by running the function again."""
        if isinstance(value, BoundElectron) and not value._covalent_path:  # noqa: SLF001 - one of ours
            self.graph.output = {"node": self._node(value)}
        elif replay is not None:
            self.graph.output = {"node": self._replay(replay)}
        elif holds_electrons(value, set()):
            node = self.graph.add_node(
                "collect",
                self._assets.function(collect, "collect"),
                args=[self._templates.argument(value, "value", "collect")],
                arg_names=["value"],
                metadata=self._resolved(_NO_OPTIONS, self._workflow_executor()),
                kind=Kind.COLLECT,
            )
            self.graph.output = {"node": node}
        else:
            self.graph.output = {"asset": self._assets.constant(value, "the workflow's return value")}

    def _replay(self, replay: Replay) -> int:
        """A task that runs the workflow function once more: its arguments, and the name and output of each call."""
        nodes = self.graph.nodes
        calls = [{"tuple": [{"value": nodes[node].name}, {"node": node}]} for node in self._calls]
        return self.graph.add_node(
            "replay",
            self.graph.add_asset(replay.function),
            args=[{"asset": self.graph.add_asset(replay.inputs)}, {"list": calls}],
            arg_names=["inputs", "calls"],
            metadata=self._resolved(_NO_OPTIONS, self._workflow_executor()),
            kind=Kind.REPLAY,
        )

    def wait(self, children: Iterable[BoundElectron], parents: Iterable[BoundElectron]) -> None:
        """Let the children's tasks begin only after the parents' have ended."""
        sources = [self._node(parent) for parent in parents]
        for child in children:
            for source in sources:
                self.graph.add_wait(source, self._node(child))

    def _check_open(self) -> None:
        if self.graph.output is not None:
            raise GraphError(f"the workflow {self.graph.name} has ended; use its electrons only inside of it")

    def item_step(self, key: Any) -> Step:
        """The step of a path that takes an item."""
        self._check_open()
        return self._templates.item_step(key)

    # -- metadata

    def _filled(self, options: Options) -> Options:
        """An electron's options with the lattice's where it says nothing; the same object for the same options."""
        if id(options) not in self._options:
            self._options[id(options)] = options.filled(self._defaults.options)
            self._alive.append(options)
        return self._options[id(options)]

    def _workflow_executor(self) -> Executor | None:
        return self._defaults.workflow_executor or self._defaults.options.executor

    def _here(self) -> Executor | None:
        """Where the workflow's own tasks run that cannot be left to the client."""
        chosen = self._workflow_executor()
        is_client = chosen is not None and chosen.short_name == CLIENT_EXECUTOR
        return self._defaults.options.executor if is_client else chosen

    def _builder(self, task: Task) -> Executor | None:
        """Where a sublattice is built."""
        return task.options.executor or self._here()

    def _resolved(self, options: Options, executor: Executor | None) -> Metadata:
        """The metadata of a task; one object for all tasks of which it is the same."""
        plain = (executor or LocalExecutor()).to_dict()
        known = self._metadata.get(id(options))
        if known is None or known.executor_data != plain["attributes"] or known.executor != plain["short_name"]:
            known = Metadata(
                executor=plain["short_name"],
                executor_data=plain["attributes"],
                hooks=self._hooks_of(options),
                retries=options.retries,
                retry_delay=options.retry_delay,
                timeout=options.timeout,
                cache=options.cache,
            )
            self._metadata[id(options)] = known
            self._alive.append(options)
        self._send_along(options)
        return known

    def _send_along(self, options: Options) -> None:
        self.graph.modules.update(module.module_name for module in options.deps_module or ())

    def _hooks_of(self, options: Options) -> Hooks:
        return Hooks(
            deps=Deps(bash=options.deps_bash.commands) if options.deps_bash and options.deps_bash.commands else None,
            call_before=self._assets.calls(options.call_before or ()),
            call_after=self._assets.calls(options.call_after or ()),
        )

    def _node(self, bound: BoundElectron) -> int:
        if bound._covalent_recorder is not self:  # noqa: SLF001 - one of ours
            raise GraphError(f"{bound!r} belongs to another workflow; pass its value as an argument of this one")
        return bound._covalent_node  # noqa: SLF001 - one of ours

    def _lattice(self, task: Task) -> str:
        """The digest of a lattice that is to be built by its task, with this workflow's defaults filled in."""
        key = (id(task.function), id(task.options))
        if key not in self._lattices:
            filled = Options(executor=task.options.executor).filled(self._defaults.options)
            nested = cast("Sublattice", task.function).as_sublattice(filled, self._defaults.workflow_executor)
            self._send_along(nested.options)
            self._lattices[key] = self._assets.function(nested, task.name)
            self._alive.append((task.function, task.options))
        return self._lattices[key]

    def _known(self, task: Task) -> _Known:
        key = (id(task.function), id(task.options))
        if key not in self._tasks:
            nested = isinstance(task.function, Sublattice)
            # A sublattice's own options are for the task that builds it; the lattice's defaults are for what is in it.
            options = task.options if nested else self._filled(task.options)
            self._tasks[key] = _Known(
                nested=nested,
                options=options,
                parameters=Parameters.of(task.function, task.name),
                provided=[call.retval_keyword for call in options.call_before or () if call.retval_keyword],
            )
            self._alive.append((task.function, task.options))
        return self._tasks[key]
