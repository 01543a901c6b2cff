"""What a value that does not exist yet is asked for in vain, and what to write instead.

Each refusal names the operation, the value, and the way out: an electron where a function of the value is wanted, a
sublattice where the workflow itself is to go on with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

from covalent.errors import BoundElectronError

IN_AN_ELECTRON: Final = "do it in a function with @ct.electron above it, and call that"
IN_A_SUBLATTICE: Final = (
    "do it in a function with @ct.electron above it, or, when what is chosen or repeated are calls of electrons, in a "
    "sublattice: a function with @ct.electron above @ct.lattice above it, whose arguments are real values"
)
_LIBRARY: Final = (
    ". When your workflow does not mention {name!r}, a library's function such as numpy.mean was handed an electron's "
    "output and works on it: wrap the call of that function in an electron"
)


def refusal(what: str, bound: object, instead: str) -> BoundElectronError:
    """The error for an operation that needs a value-to-be's value."""
    attribute = attribute_of(bound)
    hint = _LIBRARY.format(name=attribute) if attribute else ""
    return BoundElectronError(
        f"{what} needs the value of {bound!r}, which exists only once the workflow runs; {instead}{hint}"
    )


def attribute_of(bound: object) -> str:
    """The attribute at the end of a value-to-be's path, empty when there is none."""
    path = getattr(bound, "_covalent_path", ())
    return str(path[-1][1]) if path and path[-1][0] == "attr" else ""


def refused(what: str, instead: str = IN_AN_ELECTRON) -> Callable[..., NoReturn]:
    """A method that raises :func:`refusal`."""

    def refuse(self: object, *_args: object, **_kwargs: object) -> NoReturn:
        raise refusal(what, self, instead)

    return refuse


def converted(function: str) -> Callable[..., NoReturn]:
    """A method that refuses what a function of Python's own needs."""
    return refused(f"{function}()", f"write ct.electron({function})(x), a task of its own")


def operated(symbol: str, name: str) -> Callable[..., NoReturn]:
    """A method that refuses an operator that is no task."""
    return refused(f"the operator {symbol}", f"write ct.electron(operator.{name})(x, y), a task of its own")
