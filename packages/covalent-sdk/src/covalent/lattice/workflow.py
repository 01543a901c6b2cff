"""A workflow function, its graph after a build, and both as JSON."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Generic,
    Literal,
    ParamSpec,
    Self,
    TypeVar,
    Unpack,
    cast,
    get_args,
    overload,
)

from covalent import executors, hydration, markup
from covalent.configured import Configured, configured
from covalent.electron import (
    Build,
    Defaults,
    Parameters,
    Replay,
    active,
    recording,
)
from covalent.errors import BoundElectronError, TransportError, WireError
from covalent.executors import Executor
from covalent.graph import TransportGraph
from covalent.lattice.checks import check_function, serialised_inputs
from covalent.lattice.document import Document
from covalent.options import Keywords, Options
from covalent.references import FUNCTION_ATTRIBUTE, name_of
from covalent.transportable import TransportableObject
from covalent.triggers.declared import Trigger, checked, from_dict
from covalent.wire.manifest import CLIENT_EXECUTOR, LatticeRecord, Manifest

if TYPE_CHECKING:
    from covalent.drawing import Drawing

P = ParamSpec("P")
T = TypeVar("T", bound=Executor | str)
#: How a return value that holds electrons is put together: from their values, or by running the function again.
Postprocess = Literal["reconstruct", "replay"]
_BUILT: Final = frozenset({"transport_graph", "inputs", "project", "_workflow"})


class Lattice(Generic[P]):
    """A workflow function with the metadata of its tasks, and the graph of its last build."""

    def __init__(
        self,
        function: Callable[P, Any],
        *,
        workflow_executor: Executor | str | None = None,
        postprocess: Postprocess = "reconstruct",
        triggers: Trigger | Sequence[Trigger] | None = None,
        **options: Unpack[Keywords],
    ) -> None:
        check_function(function)
        if postprocess not in get_args(Postprocess):
            raise ValueError(f"postprocess is {' or '.join(map(repr, get_args(Postprocess)))}, not {postprocess!r}")
        self.options: Options = Options.given(options)
        self.workflow_executor: Executor | str | None = executors.checked(workflow_executor, workflow=True)
        if isinstance(function, Lattice):
            self._take_function(function._opened())  # noqa: SLF001 - our own class
            self.options = self.options.filled(function.options)
            self.workflow_executor = self.workflow_executor or function.workflow_executor
        else:
            self._take_function(function)
        self.postprocess: Postprocess = postprocess
        #: What starts it by itself.
        self.triggers: tuple[Trigger, ...] = checked(triggers)
        self._configured: Configured | None = None
        self._reset()

    def _take_function(self, function: Callable[P, Any]) -> None:
        # Of a function's own attributes, those of an electron are about the electron.
        functools.update_wrapper(self, function, updated=())
        self.__dict__[FUNCTION_ATTRIBUTE] = function
        self.__name__ = name_of(function)

    def _reset(self) -> None:
        #: The tasks, after :meth:`build_graph`.
        self.transport_graph = TransportGraph(self.__name__)
        #: ``{"args": tuple, "kwargs": dict}`` of the last build.
        self.inputs: TransportableObject | None = None
        #: The user's own modules, when they came with this lattice from JSON.
        self.project: TransportableObject | None = None
        self._workflow: TransportableObject | None = None

    # -- what it is

    @property
    def workflow_function(self) -> TransportableObject:
        """The function, as it was at the last build."""
        return self._workflow or TransportableObject(self._opened())

    @property
    def stored_function(self) -> TransportableObject | None:
        """The function of the last build, None when it cannot be serialised: its graph runs all the same."""
        return self._workflow

    @property
    def executor(self) -> Executor | str | None:
        """Where its tasks run, as it was given; None for the configured default."""
        return self.options.executor

    @executor.setter
    def executor(self, executor: Executor | str | None) -> None:
        self.options = replace(self.options, executor=executors.checked(executor))

    @property
    def metadata(self) -> dict[str, Any]:
        """What this lattice gives to its tasks, as JSON; None for what is left to the configured defaults."""
        return {
            **self.options.to_json(),
            **executors.to_json("workflow_executor", self.workflow_executor or self.executor),
            "triggers": [trigger.to_dict() for trigger in self.triggers] or None,
        }

    @property
    def record(self) -> LatticeRecord:
        """What it says besides its function."""
        return LatticeRecord(doc=self.__doc__, metadata=self.metadata, postprocess=self.postprocess)

    @property
    def defaults(self) -> Defaults:
        """What it gives to its tasks, and what the configuration gives."""
        return Defaults(
            options=self.options,
            workflow_executor=self.workflow_executor,
            configured=configured() if self._configured is None else self._configured,
        )

    @property
    def project_limit(self) -> int:
        """How many bytes of the user's own modules may be sent along."""
        return self.defaults.configured.project_bytes

    def as_sublattice(self, defaults: Defaults) -> Self:
        """A copy, not built, that takes from a lattice around it what it leaves open itself.

        Its value is for the lattice around it and so cannot be left to the client. The configuration goes along: on
        the machine that builds it there may be another, or none.
        """
        filled = copy.copy(self)
        filled.options = self.options.filled(defaults.options)
        filled.triggers = ()  # the lattice around it starts it
        filled.workflow_executor = _of_a_server(self.workflow_executor) or _of_a_server(defaults.workflow_executor)
        configured = defaults.configured
        filled._configured = replace(  # noqa: SLF001 - our own class
            configured, workflow_executor=_of_a_server(configured.workflow_executor)
        )
        return filled

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Run the workflow as plain Python; inside another lattice its electrons join the other's graph."""
        recorder = active()
        if not isinstance(recorder, Build):
            return self._opened()(*args, **kwargs)
        with recorder.within(self.options, self.workflow_executor):
            return self._opened()(*args, **kwargs)

    def dispatch(self, /, *args: P.args, **kwargs: P.kwargs) -> str:
        """The old way to write ``ct.dispatch(lattice)(...)``."""
        return str(self._through("dispatch")(*args, **kwargs))

    def dispatch_sync(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """The old way to write ``ct.dispatch_sync(lattice)(...)``."""
        return self._through("dispatch_sync")(*args, **kwargs)

    def _through(self, name: str) -> Callable[P, Any]:
        import covalent  # noqa: PLC0415 - what dispatches stands above lattices

        name_of_it = self.__name__
        warnings.warn(
            f"{name_of_it}.{name}(...) is the old way: write ct.{name}({name_of_it})(...)",
            DeprecationWarning,
            stacklevel=3,
        )
        through: Callable[P, Any] = getattr(covalent, name)(self)
        return through

    def __getstate__(self) -> dict[str, Any]:
        # A copy, pickled or not, starts unbuilt; what was built belongs to the one that built it.
        built = _BUILT if FUNCTION_ATTRIBUTE in self.__dict__ else ()
        return {name: value for name, value in self.__dict__.items() if name not in built}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        if "transport_graph" not in state:
            self._reset()

    def __repr__(self) -> str:
        return f"<Lattice {self.__name__}>"

    def _repr_html_(self) -> str:
        graph, metadata = self.transport_graph, self.metadata
        built = graph.output is not None
        return markup.card(
            "Lattice",
            {
                "name": self.__name__,
                "about": (self.__doc__ or "").strip(),
                "executor": metadata["executor"],
                "workflow executor": metadata["workflow_executor"],
                "tasks": f"{len(graph.nodes):,}, in the last build"
                if built
                else "none before it is built; draw(...) shows it",
            },
        )

    def _opened(self) -> Callable[P, Any]:
        if FUNCTION_ATTRIBUTE not in self.__dict__:
            if self._workflow is None:
                raise TransportError(f"the function of the lattice {self.__name__} could not be stored with its graph")
            name = self.__name__
            self._take_function(self._workflow.get_deserialized())
            self.__name__ = name
        function: Callable[P, Any] = self.__dict__[FUNCTION_ATTRIBUTE]
        return function

    # -- building

    def build_graph(self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Run the workflow function once, its electrons recording themselves in :attr:`transport_graph`."""
        function = self._opened()
        Parameters.of(function, self.__name__).check(args, kwargs)
        inputs = serialised_inputs(function, self.__name__, args, kwargs)
        build = Build(self.__name__, self.defaults)
        with recording(build):
            value = function(*args, **kwargs)
        stored = _serialised(function)
        build.finish(value, replay=self._replay(stored, inputs))
        self._reset()
        self.transport_graph = build.graph
        self.inputs = inputs
        self._workflow = stored

    def _replay(self, function: TransportableObject | None, inputs: TransportableObject) -> Replay | None:
        if self.postprocess == "reconstruct":
            return None
        raw = self._opened()
        return Replay(raw, function or TransportableObject(raw), inputs)

    @overload
    def draw(self, /) -> Drawing: ...

    @overload
    def draw(self, /, *args: P.args, **kwargs: P.kwargs) -> Drawing: ...

    def draw(self, /, *args: Any, **kwargs: Any) -> Drawing:
        """The picture of the graph that these arguments give; without any, of the graph that was built last.

        A notebook shows it, ``.svg`` is its text, and ``.save("graph.svg")`` writes it. The lattice stays as it is.
        """
        from covalent.drawing import Drawing  # noqa: PLC0415 - few scripts draw

        drawn = self
        if args or kwargs or self.transport_graph.output is None:
            drawn = copy.copy(self)
            drawn.build_graph(*args, **kwargs)
        return Drawing(drawn.transport_graph.record)

    # -- what is stored of one

    @classmethod
    def stored(cls, manifest: Manifest, asset: Callable[[str], TransportableObject]) -> Self:
        """The lattice of a dispatch, with the graph that was dispatched; ``asset`` gives what a digest names.

        Nothing is opened before the lattice is built again or called.
        """
        self = cls._of(Document.of_manifest(manifest, asset))
        self.triggers = ()  # whoever runs it again runs it now
        return self

    def open(self) -> None:
        """Open the function now when it came from where it was stored: what keeps it from being opened is told here."""
        self._opened()

    def serialize_to_json(self) -> str:
        """One JSON document with everything in it: graph, functions, constants and the user's own modules."""
        graph = self.transport_graph
        document = Document(
            name=self.__name__,
            record=self.record,
            graph=graph,
            workflow=self._workflow if graph.output is not None else self.workflow_function,
            inputs=self.inputs,
            project=self.project or hydration.find_project(graph),
        )
        return document.text()

    @classmethod
    def deserialize_from_json(cls, text: str | bytes) -> Self:
        """From what :meth:`serialize_to_json` gave; nothing in it is opened."""
        return cls._of(Document.read(text))

    @classmethod
    def _of(cls, document: Document) -> Self:
        self, record = cls.__new__(cls), document.record
        if record.postprocess not in get_args(Postprocess):
            raise WireError(f"{record.postprocess!r} is not {' or '.join(get_args(Postprocess))}", path="$.postprocess")
        self.__name__, self.__doc__ = document.name, record.doc
        self.options = Options.from_json(record.metadata)
        self.workflow_executor = executors.from_json("workflow_executor", record.metadata)
        self.postprocess = cast("Postprocess", record.postprocess)
        self.triggers = tuple(map(from_dict, record.metadata.get("triggers") or ()))
        self._configured = None
        self.transport_graph, self._workflow = document.graph, document.workflow
        self.inputs, self.project = document.inputs, document.project
        return self


def _of_a_server(executor: T | None) -> T | None:
    """The executor, unless it leaves its tasks to the client."""
    return None if executor is None or executors.name_of(executor) == CLIENT_EXECUTOR else executor


def _serialised(function: Callable[..., Any]) -> TransportableObject | None:
    try:
        return TransportableObject(function)
    except (TransportError, BoundElectronError):
        return None
