"""One run of a workflow function, during which electrons record themselves in a graph.

Nothing is remembered in electrons: what a build finds out (serialised functions, parameters, hooks) lives in the build.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypedDict

from covalent import executors
from covalent.deps import FILES
from covalent.electron.assets import Assets
from covalent.electron.bound import BoundElectron, Step
from covalent.electron.files import check_sublattice, compiled
from covalent.electron.metadata import NO_OPTIONS, Defaults, Resolution
from covalent.electron.parameters import Parameters
from covalent.electron.recording import Sublattice, Task
from covalent.electron.templates import Templates, holds_electrons
from covalent.errors import GraphError
from covalent.executors import Executor
from covalent.graph import TransportGraph
from covalent.options import Options
from covalent.references import collect
from covalent.transportable import TransportableObject
from covalent.wire.manifest import CLIENT_EXECUTOR, Kind, Metadata


class Replay(NamedTuple):
    """What is needed to run a workflow function again."""

    function: Callable[..., Any]
    serialised: TransportableObject
    #: ``{"args": tuple, "kwargs": dict}``.
    inputs: TransportableObject


class Declared(NamedTuple):
    """What a task is, whatever its arguments are."""

    kind: Kind
    #: The digest of its function or lattice.
    function: str
    metadata: Metadata


class _Accepted(TypedDict):
    options: Options
    parameters: Parameters
    #: Keywords that its calls before will add.
    provided: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is found out about an electron once, for all its calls."""

    kind: Kind
    #: What its task opens: a function, or a lattice that takes from this one what it leaves open.
    function: object
    #: What electron and lattice say.
    options: Options
    place: Executor | str
    #: For what they leave open.
    configured: Options = NO_OPTIONS
    parameters: Parameters
    provided: list[str]


class Build:
    """A graph in the making."""

    def __init__(self, name: str, defaults: Defaults | None = None, graph: TransportGraph | None = None) -> None:
        """``graph`` is one that is there already, to declare tasks for."""
        self.name = name
        self.graph = graph or TransportGraph(name)
        self._defaults = defaults or Defaults()
        self._assets = Assets(self.graph)
        self._templates = Templates(self._assets, self._node)
        self._resolution = Resolution(self._assets, self.graph.modules, self._defaults.configured.executors)
        self._tasks: dict[tuple[int, int, int], _Known] = {}
        #: The options of tasks that are no calls, by the packages and the variables of these.
        self._own: dict[tuple[object, ...], Options] = {}
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
            keywords=self._known(task).parameters.told(kwargs),
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
            known.kind,
            self._assets.function(known.function, task.name),
            self._resolution.metadata(known.options, known.place, known.configured),
        )

    def operate(self, name: str, *operands: Any) -> BoundElectron:
        """Record a task that applies a function of the module ``operator``."""
        self._check_open()
        node = self.graph.add_node(
            name,
            self._assets.function(getattr(operator, name), name),
            args=[self._templates.argument(value, "ab"[index], name) for index, value in enumerate(operands)],
            arg_names="ab",
            metadata=self._own_metadata(self._defaults.here),
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
                metadata=self._own_metadata(self._defaults.workflow_place),
                kind=Kind.COLLECT,
            )
            self.graph.output = {"node": node}
        else:
            self.graph.output = {"asset": self._assets.constant(value, "the workflow's return value")}

    def _replay(self, replay: Replay) -> int:
        """A task that runs the workflow function once more: its arguments, and the name and output of each call."""
        nodes = self.graph.nodes
        calls = [{"tuple": [{"value": nodes[node].name}, {"node": node}]} for node in self._calls]
        function = self.graph.add_asset(replay.serialised)
        self.graph.functions[function] = replay.function
        return self.graph.add_node(
            "replay",
            function,
            args=[{"asset": self.graph.add_asset(replay.inputs)}, {"list": calls}],
            arg_names=["inputs", "calls"],
            metadata=self._own_metadata(self._defaults.workflow_place),
            kind=Kind.REPLAY,
        )

    def wait(self, children: Iterable[BoundElectron], parents: Iterable[BoundElectron]) -> None:
        """Let the children's tasks begin only after the parents' have ended."""
        sources = [self._node(parent) for parent in parents]
        for child in children:
            for source in sources:
                self.graph.add_wait(source, self._node(child))

    def _own_metadata(self, place: Executor | str) -> Metadata:
        """Of a task that is no call of a user's function: it opens what such calls give, with the same packages."""
        own = NO_OPTIONS if executors.name_of(place) == CLIENT_EXECUTOR else self._defaults.own
        options = self._own.setdefault((own.deps_pip, *(own.env or {}).items()), own)
        return self._resolution.metadata(options, place)

    def _check_open(self) -> None:
        if self.graph.output is not None:
            raise GraphError(f"the workflow {self.graph.name} has ended; use its electrons only inside of it")

    @contextlib.contextmanager
    def within(self, options: Options, workflow_executor: Executor | str | None) -> Iterator[None]:
        """While a lattice is called inside the workflow: what it says counts for its own electrons."""
        around = self._defaults
        self._defaults = around.within(options, workflow_executor)
        try:
            yield
        finally:
            self._defaults = around

    def item_step(self, key: Any) -> Step:
        """The step of a path that takes an item."""
        self._check_open()
        return self._templates.item_step(key)

    def _node(self, bound: BoundElectron) -> int:
        if bound._covalent_recorder is not self:  # noqa: SLF001 - one of ours
            raise GraphError(f"{bound!r} belongs to another workflow; pass its value as an argument of this one")
        return bound._covalent_node  # noqa: SLF001 - one of ours

    def _known(self, task: Task) -> _Known:
        key = (id(task.function), id(task.options), id(self._defaults))
        if key not in self._tasks:
            function: object = task.function
            known = self._sublattice(task, function) if isinstance(function, Sublattice) else self._plain(task)
            self._tasks[key] = known
            self._alive.append((task.function, task.options, self._defaults))
        return self._tasks[key]

    def _plain(self, task: Task) -> _Known:
        return _Known(
            kind=Kind.TASK,
            function=task.function,
            place=self._defaults.place(task.options),
            configured=self._defaults.configured.options,
            **_accepted(task, task.options.filled(self._defaults.options)),
        )

    def _sublattice(self, task: Task, lattice: Sublattice) -> _Known:
        # The electron's options are for the task that builds it; the lattice's defaults are for what is in it.
        check_sublattice(task.options, task.name)
        defaults = self._defaults
        chosen = Options(executor=task.options.executor, at_most_once=task.options.at_most_once)
        filled = replace(defaults, options=chosen.filled(defaults.options))
        nested = lattice.as_sublattice(filled)
        self.graph.modules.update(module.module_name for module in nested.options.deps_module or ())
        # Its function runs on real values, for which it may need its packages; built again, it would have new tasks.
        inner = nested.options.filled(defaults.configured.options)
        return _Known(
            kind=Kind.SUBLATTICE,
            function=nested,
            place=task.options.executor or defaults.here,
            **_accepted(task, task.options.filled(_of_sublattice(inner))),
        )


def _of_sublattice(inner: Options) -> Options:
    """What the task that builds a sublattice takes over from what its electrons are given."""
    return Options(deps_pip=inner.deps_pip, env=inner.env, at_most_once=inner.at_most_once)


def _accepted(task: Task, options: Options) -> _Accepted:
    parameters = Parameters.of(task.function, task.name)
    options = compiled(options, handed=parameters.takes(FILES))
    return {
        "options": options,
        "parameters": parameters,
        "provided": [call.retval_keyword for call in options.call_before or () if call.retval_keyword],
    }
