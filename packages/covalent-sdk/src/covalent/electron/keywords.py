"""Keywords of ``ct.electron`` and ``ct.lattice`` that they do not take: of earlier Covalents, misspelt, unknown."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Final

from covalent.deps import FILES
from covalent.executors import Executor, LocalExecutor
from covalent.options import Keywords

#: Keywords that once were, and what to write.
_FORMER: Final[Mapping[str, str]] = {
    "backend": "is called executor: write executor=...",
    "results_dir": "says nothing any more, since results are kept by the server: leave it out",
}
#: Keywords of ``ct.lattice`` alone.
_LATTICES: Final = ("workflow_executor", "postprocess")


def chosen_executor(
    decorator: str, executor: Executor | str | None, others: Mapping[str, Any]
) -> Executor | str | None:
    """The executor among a decorator's keywords; raises TypeError for one that the decorator does not take.

    Keywords of earlier Covalents are taken with a DeprecationWarning that says what to write.
    """
    for name, value in others.items():
        if name in _FORMER:
            warnings.warn(f"{decorator}({name}=...) {_FORMER[name]}", DeprecationWarning, stacklevel=3)
        elif name == FILES:
            if value:
                raise TypeError(f"{decorator}() takes no files: give them to the electrons that read or write them")
        else:
            raise TypeError(f"{decorator}() got an unexpected keyword argument {name!r}{_meant(name)}")
    return others.get("backend") if executor is None else executor


def _meant(name: str) -> str:
    import difflib  # noqa: PLC0415 - slow to load, and only an error needs it

    if name in _LATTICES:
        return "; it is a keyword of ct.lattice"
    if name in LocalExecutor.known_attributes():
        return f"; it is an attribute of an executor: executor=ct.executor.LocalExecutor({name}=...)"
    near = difflib.get_close_matches(name, [*Keywords.__annotations__, *_LATTICES], 1)
    return f"; did you mean {near[0]}?" if near else ""
