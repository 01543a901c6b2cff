"""Letting triggers fire no more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from covalent.connection import connect
from covalent.errors import CovalentError
from covalent.http import persistently
from covalent.wire.codec import from_json
from covalent.wire.triggers import TriggerList, TriggerStop


def stop_triggers(
    ids: str | Iterable[str], triggers_server_addr: str | None = None, dispatcher_addr: str | None = None
) -> str:
    """Stop triggers, given by the ids of their dispatches or by their own; returns a sentence that names them.

    They fire no more. What they have started goes on; :func:`cancel` stops that.

    >>> ct.stop_triggers(dispatch_id)
    'Stopped the trigger 5f0c... of the dispatch 81aa....'
    """
    wanted = TriggerStop(ids=_checked(ids))
    server = connect(triggers_server_addr or dispatcher_addr)
    try:
        answer = persistently(lambda: server.post("/triggers/stop", wanted))  # what is stopped stays so
    except (CovalentError, KeyboardInterrupt) as error:
        raise error.with_traceback(None) from None  # what lies between is ours, and no help to anybody
    found = from_json(TriggerList, answer.plain).triggers
    told = [f"the trigger {item.trigger_id} of the dispatch {item.dispatch_id}" for item in found]
    return f"Stopped {', '.join(told)}."


def _checked(ids: Any) -> tuple[str, ...]:
    several = [ids] if isinstance(ids, str) else ids
    if not isinstance(several, Iterable) or isinstance(several, (bytes, dict)):
        raise TypeError(f"ids is the id of a dispatch or of a trigger, or a list of them, not {ids!r}")
    wanted = tuple(dict.fromkeys(several))
    for item in wanted:
        if not isinstance(item, str):
            raise TypeError(f"ids are texts, as ct.dispatch(workflow)(...) returned them, not {item!r}")
    if not wanted:
        raise ValueError("ids names no trigger, so nothing was stopped")
    return wanted
