"""What an electron's call gives inside a lattice: a handle of a value that does not exist yet.

A bound electron can be passed on, taken apart (``e[key]``, ``e.name``, ``a, b = e``: paths, no tasks) and reckoned
with (tasks). Whatever needs the value itself raises an error that says what to do instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn, Protocol

from covalent.electron import refusals, unpacking
from covalent.electron.refusals import converted, operated, refused
from covalent.errors import BoundElectronError, GraphError
from covalent.wire.template import MAX_DEPTH

#: How the text of every bound electron begins: where it turns up in an argument, a text was made of a value-to-be.
MARK: Final = "<value-to-be of "
Step = list[Any]


class Builder(Protocol):
    """What a bound electron needs of the build that it belongs to."""

    def operate(self, name: str, *operands: Any) -> BoundElectron:
        """Record a task that applies a function of the module ``operator``."""

    def item_step(self, key: Any) -> Step:
        """The step of a path that takes an item."""


def _operation(name: str) -> Callable[[BoundElectron, Any], BoundElectron]:
    def operate(self: BoundElectron, other: Any) -> BoundElectron:
        return self._covalent_recorder.operate(name, self, other)

    return operate


def _reflected(name: str) -> Callable[[BoundElectron, Any], BoundElectron]:
    def operate(self: BoundElectron, other: Any) -> BoundElectron:
        return self._covalent_recorder.operate(name, other, self)

    return operate


class BoundElectron:
    """The output of a task, or what lies at a path inside it."""

    __slots__ = ("_covalent_name", "_covalent_node", "_covalent_path", "_covalent_recorder")

    #: numpy leaves operators to us: ``array + e`` is one task, not one for each element. So does pandas.
    __array_ufunc__ = None
    __pandas_priority__ = 10_000

    def __init__(self, recorder: Builder, node: int, name: str, path: tuple[Step, ...] = ()) -> None:
        self._covalent_recorder = recorder
        self._covalent_node = node
        self._covalent_name = name
        self._covalent_path = path

    def _covalent_at(self, step: Step) -> BoundElectron:
        if len(self._covalent_path) >= MAX_DEPTH:
            raise GraphError(f"a path of more than {MAX_DEPTH} steps into {self._covalent_name}({self._covalent_node})")
        path = (*self._covalent_path, step)
        return BoundElectron(self._covalent_recorder, self._covalent_node, self._covalent_name, path)

    def __getattr__(self, name: str) -> BoundElectron:
        # What Python, notebooks and we ourselves look for is not meant for the value.
        if name.startswith(("__", "_covalent", "_ipython_", "_repr_")):
            raise AttributeError(name)
        return self._covalent_at(["attr", name])

    def __getitem__(self, key: Any) -> BoundElectron:
        return self._covalent_at(self._covalent_recorder.item_step(key))

    def __iter__(self) -> Iterator[BoundElectron]:
        """As many items as the statement has names.

        Only the caller's code tells how many, and it cannot tell ``a, b = e`` from an iterator written in C that gets
        to ``e`` while it is unpacked itself: in ``a, b, c = itertools.chain(e, [x])`` the electron would give three
        items, and Python finds too many values. Items so given are taken from a value of just that many, or the task
        that uses them fails: nothing goes wrong unnoticed.
        """
        targets = unpacking.targets(sys._getframe(1))  # noqa: SLF001 - how many names take the values only the caller's code says
        if targets is None:
            raise refusals.refusal(
                "iterating",
                self,
                "write a, b = x when the number of values is known, x[0], x[1] for single ones; else "
                f"{refusals.IN_A_SUBLATTICE}",
            )
        if targets.after is not None:
            raise refusals.refusal(
                "unpacking to a starred name, which takes as many values as there are,",
                self,
                f"write ... = {unpacking.spelled_out('x', targets)}",
            )
        return iter([self._covalent_at(["unpack", index, targets.names]) for index in range(targets.names)])

    def __repr__(self) -> str:
        steps = "".join(f".{step[1]}" if step[0] == "attr" else f"[{step[1]!r}]" for step in self._covalent_path)
        return f"{MARK}{self._covalent_name}({self._covalent_node}){steps}>"

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_covalent_"):
            refused(f"setting the attribute {name!r}")(self)
        object.__setattr__(self, name, value)

    def __copy__(self) -> BoundElectron:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> BoundElectron:
        return self

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise BoundElectronError(
            f"{self!r} is hidden in an object that has to be serialised. Electrons may stand in arguments by "
            "themselves and in lists, tuples, sets and dicts, not in other objects, nor in classes derived from those: "
            "make the object in a function with @ct.electron above it"
        )

    def __format__(self, spec: str) -> str:
        template = f"{{:{spec}}}" if spec else "... {} ..."
        raise refusals.refusal(
            "formatting (an f-string)", self, f"write ct.electron({template!r}.format)(x), a task of its own"
        )

    def __call__(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse: what is called is only there once the workflow runs."""
        name = refusals.attribute_of(self)
        if name == "keys":
            what, instead = "unpacking with **, as calling keys(),", "hand x over whole, and unpack it in the electron"
        elif name:
            what = "calling a method"
            instead = f"write ct.electron(lambda x: x.{name}(...))(...), or do it in a function with @ct.electron above"
        else:
            what, instead = "calling", "hand x over to a function with @ct.electron above it that calls it"
        raise refusals.refusal(what, self, instead)

    # By identity, and equality raises: two of them as keys never are compared, since their hashes differ.
    __hash__ = object.__hash__
    __eq__ = refused("comparing with ==", "write ct.electron(operator.eq)(x, y); to see whether it is the same, is")
    __ne__ = refused("comparing with !=", "write ct.electron(operator.ne)(x, y); to see whether it is another, is not")

    __add__, __radd__ = _operation("add"), _reflected("add")
    __sub__, __rsub__ = _operation("sub"), _reflected("sub")
    __mul__, __rmul__ = _operation("mul"), _reflected("mul")
    __truediv__, __rtruediv__ = _operation("truediv"), _reflected("truediv")
    __floordiv__, __rfloordiv__ = _operation("floordiv"), _reflected("floordiv")
    __mod__, __rmod__ = _operation("mod"), _reflected("mod")
    __pow__, __rpow__ = _operation("pow"), _reflected("pow")
    __matmul__, __rmatmul__ = _operation("matmul"), _reflected("matmul")
    __lt__, __le__ = _operation("lt"), _operation("le")
    __gt__, __ge__ = _operation("gt"), _operation("ge")

    def __neg__(self) -> BoundElectron:
        return self._covalent_recorder.operate("neg", self)

    __and__ = __rand__ = operated("&", "and_")
    __or__ = __ror__ = operated("|", "or_")
    __xor__ = __rxor__ = operated("^", "xor")
    __lshift__ = __rlshift__ = operated("<<", "lshift")
    __rshift__ = __rrshift__ = operated(">>", "rshift")
    __divmod__ = __rdivmod__ = refused("divmod()", "write ct.electron(divmod)(x, y), a task of its own")
    __pos__ = refused("the operator +", "write ct.electron(operator.pos)(x), a task of its own")
    __invert__ = refused("the operator ~", "write ct.electron(operator.invert)(x), a task of its own")
    __abs__, __round__ = converted("abs"), converted("round")
    __trunc__, __floor__, __ceil__ = converted("math.trunc"), converted("math.floor"), converted("math.ceil")
    __int__, __float__ = converted("int"), converted("float")
    __complex__, __len__ = converted("complex"), converted("len")
    __bool__ = refused("a condition (if, and, or, not, bool)", refusals.IN_A_SUBLATTICE)
    __index__ = refused("an index or a count, as range() and a list's [...] take,", refusals.IN_A_SUBLATTICE)
    __contains__ = refused("the operator in", "write ct.electron(operator.contains)(x, item), a task of its own")
    __fspath__ = refused("a file's path", "open the file in a function with @ct.electron above it")
    __setitem__ = refused("setting an item", "make a changed copy in a function with @ct.electron above it")
    __delitem__ = refused("deleting an item", "make a changed copy in a function with @ct.electron above it")
