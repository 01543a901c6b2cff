"""What programs are made of: plain records, which hypothesis can shrink; ``str()`` writes them as Python.

A program is a few workflows, of which the last is dispatched and may call the others. A workflow is a list of
statements and the expression that it returns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

#: The function of the prelude that raises.
FAILING: Final = "fail"
#: How binary operators are written, and the function of the module ``operator`` that each is.
OPERATORS: Final = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow", "@": "matmul",
    "<": "lt", "<=": "le", ">": "gt", ">=": "ge",
}  # fmt: skip
#: What Python asks the right operand for when the left one does not know what to do.
MIRRORED: Final = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A value as Python writes it, such as ``fractions.Fraction(1, 3)``."""

    kind: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A variable."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A list, tuple, set, frozenset or dict; ``keys`` are a dict's, one for each item."""

    kind: str
    items: tuple[Expression, ...] = ()
    keys: tuple[Expression, ...] = ()

    def __str__(self) -> str:
        match self.kind:
            case "list":
                return f"[{_listed(self.items)}]"
            case "tuple":
                return f"({_listed(self.items)},)" if self.items else "()"
            case "dict":
                return f"{{{', '.join(f'{key}: {item}' for key, item in zip(self.keys, self.items, strict=True))}}}"
        return f"{self.kind}([{_listed(self.items)}])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What lies at a key inside a value."""

    value: Expression
    key: Expression

    def __str__(self) -> str:
        return f"{_primary(self.value)}[{self.key}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """An attribute of a value."""

    value: Expression
    name: str

    def __str__(self) -> str:
        return f"{_primary(self.value)}.{self.name}"


Expression = Constant | Name | Container | Item | Attribute


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The call of one of the prelude's functions, or of a workflow of the program."""

    target: str
    function: str
    args: tuple[Expression, ...] = ()
    kwargs: tuple[tuple[str, Expression], ...] = ()
    #: Whether its arguments are unpacked from containers: ``function(*[a, b], **{"c": d})``.
    starred: bool = False

    @property
    def called(self) -> str:
        """The call alone."""
        if self.starred:
            named = ", ".join(f"{name!r}: {item}" for name, item in self.kwargs)
            return f"{self.function}(*[{_listed(self.args)}], **{{{named}}})"
        return (
            f"{self.function}({', '.join([*map(str, self.args), *(f'{name}={item}' for name, item in self.kwargs)])})"
        )

    def __str__(self) -> str:
        return f"{self.target} = {self.called}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operate:
    """A binary operator applied, or a minus when there is only one operand."""

    target: str
    operator: str
    left: Expression
    right: Expression | None = None

    def __str__(self) -> str:
        if self.right is None:
            return f"{self.target} = -{_primary(self.left)}"
        return f"{self.target} = {_primary(self.left)} {self.operator} {_primary(self.right)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpack:
    """A value taken apart into as many variables as it has parts."""

    targets: tuple[str, ...]
    value: Expression

    def __str__(self) -> str:
        return f"[{', '.join(self.targets)}] = {self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The child, whose task begins after those of the parents."""

    target: str
    child: Expression
    parents: Expression

    def __str__(self) -> str:
        return f"{self.target} = ct.wait({self.child}, {self.parents})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Each:
    """A function called for each item of a real value."""

    target: str
    function: str
    over: Expression
    #: Whether it is written as ``function.map``.
    mapped: bool = False

    def __str__(self) -> str:
        if self.mapped:
            return f"{self.target} = {self.function}.map({self.over})"
        return f"{self.target} = [{self.function}(item) for item in {self.over}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choose:
    """One of two calls, as a real value says."""

    target: str
    condition: Expression
    then: Call
    otherwise: Call

    def __str__(self) -> str:
        return f"{self.target} = {self.then.called} if {self.condition} else {self.otherwise.called}"


Statement = Call | Operate | Unpack | Wait | Each | Choose


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A workflow function; as a sublattice it is a task, otherwise what it calls joins the graph of its caller."""

    name: str
    parameters: tuple[str, ...]
    statements: tuple[Statement, ...]
    value: Expression
    sublattice: bool = False
    #: Whether it runs again to give its value.
    replay: bool = False

    def __str__(self) -> str:
        head = ["@ct.electron"] * self.sublattice + ["@ct.lattice" + '(postprocess="replay")' * self.replay]
        body = [*map(str, self.statements), f"return {self.value}"]
        return "\n".join(
            [*head, f"def {self.name}({', '.join(self.parameters)}):", *(f"    {line}" for line in body), ""]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Workflows, and the arguments that the last of them is dispatched with."""

    workflows: tuple[Workflow, ...]
    arguments: tuple[Constant, ...] = ()
    #: Whether it goes well by construction.
    flawless: bool = True

    @property
    def root(self) -> Workflow:
        """The workflow that is dispatched."""
        return self.workflows[-1]

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.workflows))

    def __repr__(self) -> str:
        return f"\n{self}\n\n{self.root.name}({_listed(self.arguments)})\n"

    def _repr_pretty_(self, printer: Any, _cycle: object) -> None:
        """How hypothesis shows a program for which something does not hold: as what a user would have written."""
        printer.text(repr(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Redispatch:
    """A program that is run, and then again with some of its functions replaced."""

    program: Program
    replaced: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """Tasks beside each other: how often each fails at first, and the retries that it says itself, or None."""

    tasks: tuple[tuple[int, int | None], ...]
    #: The retries that the lattice says.
    retries: int | None

    def allowed(self, own: int | None) -> int:
        """How often a task may fail."""
        return next((said for said in (own, self.retries) if said is not None), 0)

    def written(self, directory: str) -> str:
        """As Python; each task counts its attempts in a file of its own."""
        lines = [
            f"    v{number} = ct.electron(flaky, retries={own})({f'{directory}/{number}'!r}, {failures})"
            for number, (failures, own) in enumerate(self.tasks)
        ]
        names = ", ".join(f"v{number}" for number in range(len(self.tasks)))
        return "\n".join(
            [f"@ct.lattice(retries={self.retries})", "def workflow():", *lines, f"    return [{names}]", ""]
        )


def constructs(program: Program) -> Counter[str]:
    """What a program is made of: how often each kind of statement, expression, function and constant is there."""
    found: Counter[str] = Counter()
    inner = {workflow.name: workflow for workflow in program.workflows[:-1]}
    for part in _parts(program):
        found.update(_named(part, inner))
    return found


def _parts(record: object) -> Iterator[object]:
    """A record and all records in it."""
    if isinstance(record, tuple):
        for item in record:
            yield from _parts(item)
    elif is_dataclass(record):
        yield record
        for field in fields(record):
            yield from _parts(getattr(record, field.name))


def _named(part: object, inner: Mapping[str, Workflow]) -> Iterator[str]:
    match part:
        case Constant(kind=kind):
            yield f"constant: {kind}"
        case Container(kind=kind):
            yield f"container: {kind}"
        case Call(function=function, kwargs=kwargs, starred=starred):
            yield f"call: {function}" if function not in inner else _called(inner[function])
            yield from ["keyword"] * bool(kwargs) + ["stars"] * starred
        case Operate(operator=operator, right=right):
            yield f"operator: {operator}" if right is not None else "operator: minus"
        case Item(key=key):
            yield "item" if isinstance(key, Constant) else "item by a variable"
        case Workflow(replay=True):
            yield "replay"
        case Each(mapped=True):
            yield "map"
        case Attribute() | Unpack() | Wait() | Each() | Choose():
            yield type(part).__name__.lower()


def _called(workflow: Workflow) -> str:
    return "call: a sublattice" if workflow.sublattice else "call: a lattice"


def _listed(expressions: tuple[Expression, ...]) -> str:
    return ", ".join(map(str, expressions))


def _primary(expression: Expression) -> str:
    """In brackets where something could follow that binds closer than what is inside."""
    return str(expression) if isinstance(expression, (Name, Item, Attribute)) else f"({expression})"
