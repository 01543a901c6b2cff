"""What runs around a task: calls before and after its function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from covalent.transportable import TransportableObject


class DepsCall:
    """A call that runs in the task's environment, before or after its function.

    With ``retval_keyword`` the value of a call before is handed to the function by that keyword.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        retval_keyword: str = "",
    ) -> None:
        if not callable(func):
            raise TypeError(f"DepsCall takes a function, not {func!r}")
        self.func = func
        self.args = tuple(args)
        self.kwargs = dict(kwargs or {})
        self.retval_keyword = retval_keyword

    def transportable(self) -> TransportableObject:
        """The call as an asset, which opens as ``{"function", "args", "kwargs", "retval_keyword"}``."""
        return TransportableObject(
            {
                "function": self.func,
                "args": self.args,
                "kwargs": self.kwargs,
                "retval_keyword": self.retval_keyword,
            }
        )


def checked(name: str, calls: Any) -> tuple[DepsCall, ...] | None:
    """The calls that a user gave for ``call_before`` or ``call_after``: one or several, functions or DepsCalls."""
    if calls is None:
        return None
    items = calls if isinstance(calls, (list, tuple)) else [calls]
    for item in items:
        if not isinstance(item, DepsCall) and not callable(item):
            raise TypeError(f"{name} takes functions and ct.DepsCall(...)s, not {item!r}")
    return tuple(item if isinstance(item, DepsCall) else DepsCall(item) for item in items)
