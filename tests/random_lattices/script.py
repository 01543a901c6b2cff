"""Programs as scripts that users could have written, which run as plain Python and as workflows alike."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

_PRELUDE: Final = Path(__file__).with_name("prelude.py")
Namespace = dict[str, Any]


def _untouched(function: Any = None, **_: Any) -> Any:
    """A decorator that leaves functions as they are; with or without arguments."""
    return _untouched if function is None else function


def _mapping(function: Any) -> Any:
    """A function that can be mapped as electrons can, unless it is of a kind that no program maps."""
    with contextlib.suppress(AttributeError):
        function.map = lambda items: [function(item) for item in items]
    return function


#: Covalent without Covalent: electrons and lattices are functions.
PLAIN: Final = SimpleNamespace(electron=_mapping, lattice=_untouched, wait=lambda child, _: child)


def opened() -> Namespace:
    """What the prelude defines, as if it stood at the top of a script."""
    namespace: Namespace = {"__name__": "__main__"}
    exec(compile(_PRELUDE.read_text(encoding="utf-8"), str(_PRELUDE), "exec"), namespace)  # noqa: S102 - a script's text
    return namespace


def with_electrons(prelude: Namespace, ct: Any) -> Namespace:
    """What workflows can name: the prelude's names, with its functions as electrons."""
    return {
        **prelude,
        **{name: ct.electron(function) for name, function in prelude["FUNCTIONS"].items()},
        "ct": ct,
    }


def run(script: str, names: Namespace) -> Any:
    """Run the text of a program; the workflow that it ends with."""
    namespace = dict(names)
    exec(compile(script, "<generated>", "exec"), namespace)  # noqa: S102 - the script
    return namespace["workflow"]


def evaluated(text: str, names: Mapping[str, Any]) -> Any:
    """The value of a constant."""
    return eval(text, dict(names))  # noqa: S307 - written by the generator
