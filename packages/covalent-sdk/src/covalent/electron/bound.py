"""What an electron's call gives inside a lattice: a handle of a value that does not exist yet.

A bound electron can be passed on, taken apart (``e[key]``, ``e.name``, ``a, b = e``: paths, no tasks) and reckoned
with (tasks). Whatever needs the value itself raises an error that says what to do instead.
"""

from __future__ import annotations

import opcode
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn, Protocol

from covalent.errors import BoundElectronError, GraphError
from covalent.wire.template import MAX_DEPTH

_UNPACK_SEQUENCE: Final = opcode.opmap["UNPACK_SEQUENCE"]
_EXTENDED_ARG: Final = opcode.opmap["EXTENDED_ARG"]
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


def _impossible(what: str) -> Callable[..., NoReturn]:
    def refuse(self: BoundElectron, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise BoundElectronError(
            f"{what} needs the value of {self!r}, which exists only once the workflow runs; "
            f"do it in a function decorated with @ct.electron and call that{_hint(self)}"
        )

    return refuse


def _hint(bound: BoundElectron) -> str:
    path = bound._covalent_path  # noqa: SLF001 - our own class, which is below
    if not path or path[-1][0] != "attr":
        return ""
    return (
        f". When your workflow does not mention {path[-1][1]!r}, a library's function such as numpy.mean was handed an "
        "electron's output and works on it: wrap the call of that function in an electron"
    )


class BoundElectron:
    """The output of a task, or what lies at a path inside it."""

    __slots__ = ("_covalent_name", "_covalent_node", "_covalent_path", "_covalent_recorder")

    #: numpy leaves operators to us: ``array + e`` is one task, not one for each element.
    __array_ufunc__ = None

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
        count = _unpack_count(sys._getframe(1))  # noqa: SLF001 - how many names take the values only the caller's code says
        if count is None:
            raise BoundElectronError(
                f"iterating needs the value of {self!r}, which exists only once the workflow runs. "
                "Write a, b = e when the number of values is known, e[0], e[1] for single ones; "
                "else loop in a function decorated with @ct.electron"
            )
        return iter([self._covalent_at(["unpack", index, count]) for index in range(count)])

    def __repr__(self) -> str:
        steps = "".join(f".{step[1]}" if step[0] == "attr" else f"[{step[1]!r}]" for step in self._covalent_path)
        return f"<value-to-be of {self._covalent_name}({self._covalent_node}){steps}>"

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_covalent_"):
            _impossible(f"setting the attribute {name!r}")(self)
        object.__setattr__(self, name, value)

    def __copy__(self) -> BoundElectron:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> BoundElectron:
        return self

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise BoundElectronError(
            f"{self!r} is hidden in an object that has to be serialised. Electrons may stand in arguments by "
            "themselves and in lists, tuples, sets and dicts, not in other objects: "
            "make the object in a function decorated with @ct.electron"
        )

    __hash__ = object.__hash__

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

    __bool__ = _impossible("a condition (if, and, or, not, bool)")
    __int__ = _impossible("int()")
    __float__ = _impossible("float()")
    __complex__ = _impossible("complex()")
    __index__ = _impossible("an index or a count, as range() and a list's [...] take,")
    __len__ = _impossible("len()")
    __contains__ = _impossible("the operator in")
    __eq__ = _impossible("comparing with ==")
    __ne__ = _impossible("comparing with !=")
    __format__ = _impossible("formatting (an f-string)")
    __call__ = _impossible("calling")
    __setitem__ = _impossible("setting an item")
    __delitem__ = _impossible("deleting an item")


def _unpack_count(frame: types.FrameType) -> int | None:
    """How many names the statement that a frame stands in unpacks to, or None when it does something else."""
    code = frame.f_code.co_code
    position = frame.f_lasti
    if position < 0 or code[position] != _UNPACK_SEQUENCE:
        return None
    count, shift, before = code[position + 1], 8, position - 2
    while before >= 0 and code[before] == _EXTENDED_ARG:
        count |= code[before + 1] << shift
        shift += 8
        before -= 2
    return count
