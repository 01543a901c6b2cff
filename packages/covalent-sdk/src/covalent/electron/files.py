"""What ``files=[...]`` stands for: a call before the function and one after it, like any others."""

from __future__ import annotations

from dataclasses import replace

from covalent.deps import FILES, DepsCall
from covalent.errors import GraphError
from covalent.options import Options


def compiled(options: Options, *, handed: bool) -> Options:
    """The options with their transfers as calls: the first of all before, the last of all after.

    ``handed`` says whether the function takes the paths.
    """
    if not options.files:
        return options
    from covalent.fs import performing  # noqa: PLC0415 - few tasks have files

    first = DepsCall(performing.before, [options.files])
    first.retval_keyword = FILES if handed else ""
    first.decides = True  # a function that is not told may know the path all the same
    last = [DepsCall(performing.after, [options.files])] if _any(options, "after") else []
    return replace(
        options,
        files=None,
        call_before=(first, *(options.call_before or ())),
        call_after=(*(options.call_after or ()), *last),
    )


def check_sublattice(options: Options, name: str) -> None:
    """Refuse what would be made when the task that builds a sublattice is over, and its tasks have not begun."""
    if _any(options, "after"):
        raise GraphError(
            f"the sublattice {name} has transfers after it, but its own tasks make what is to be taken away; "
            "give those transfers to the electron in it that writes the files"
        )


def _any(options: Options, order: str) -> bool:
    return any(transfer.order == order for transfer in options.files or ())
