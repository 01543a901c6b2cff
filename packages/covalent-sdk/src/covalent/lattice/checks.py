"""What a lattice is made of and called with, refused with a way out when it cannot be."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from covalent.electron import BoundElectron, Parameters, unserialisable
from covalent.errors import BoundElectronError, TransportError
from covalent.references import name_of
from covalent.transportable import TransportableObject


def check_function(function: Any) -> None:
    """Raise TypeError for what cannot be a workflow function."""
    if isinstance(function, BoundElectron) or not callable(function):
        raise TypeError(
            f"ct.lattice takes a function, not {function!r}; options are given by name: @ct.lattice(executor=...)"
        )
    kinds = {
        "async def": inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function),
        "yield": inspect.isgeneratorfunction(function),
    }
    for kind in (kind for kind, found in kinds.items() if found):
        raise TypeError(
            f"ct.lattice takes a function that returns its value when it is called, so not {name_of(function)!r}, "
            f"which is written with {kind}. A workflow's function only records tasks; its electrons may be written so"
        )


def serialised_inputs(
    function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> TransportableObject:
    """``{"args": tuple, "kwargs": dict}``; an argument that cannot be serialised is named in the error."""
    try:
        return TransportableObject({"args": args, "kwargs": dict(kwargs)})
    except (TransportError, BoundElectronError):
        names = Parameters.of(function, name).names(len(args))
        for argument, value in [*zip(names, args, strict=True), *kwargs.items()]:
            _check_input(f"the argument {argument!r} of {name}", value)
        raise


def _check_input(what: str, value: Any) -> None:
    try:
        TransportableObject(value)
    except BoundElectronError as error:
        raise BoundElectronError(
            f"{what}: {error}. A lattice that is dispatched or built takes values; in another lattice it is called, "
            "as a function, or as a task of its own when it has @ct.electron above it"
        ) from None
    except TransportError as error:
        raise unserialisable(what, error) from None
