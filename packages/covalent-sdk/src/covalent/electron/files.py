"""What ``files=[...]`` stands for: a call before the function and one after it, like any others."""

from __future__ import annotations

from dataclasses import replace

from covalent.deps import FILES, DepsCall
from covalent.options import Options


def compiled(options: Options, *, handed: bool) -> Options:
    """The options with their transfers as calls: the first of all before, the last of all after.

    ``handed`` says whether the function takes the paths.
    """
    if not options.files:
        return options
    from covalent.fs import Order, performing  # noqa: PLC0415 - few tasks have files

    first = DepsCall(performing.before, [options.files])
    first.retval_keyword = FILES if handed else ""
    last = [DepsCall(performing.after, [options.files])] if _any(options, Order.AFTER) else []
    return replace(
        options,
        files=None,
        call_before=(first, *(options.call_before or ())),
        call_after=(*(options.call_after or ()), *last),
    )


def _any(options: Options, order: str) -> bool:
    return any(transfer.order == order for transfer in options.files or ())
