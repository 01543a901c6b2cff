"""What runs around a task's function, as far as it starts no process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from covalent import hooks
from covalent.errors import CovalentError
from covalent.hooks import HookError
from covalent.wire.manifest import Hooks


def opener(**calls: Callable[..., Any]) -> hooks.OpenCall:
    """Calls by what would be their digest; of a name with a number, the letters are the keyword of what it returns."""
    made = {
        name: {"function": call, "args": (), "kwargs": {}, "retval_keyword": name.rstrip("0123456789_")}
        for name, call in calls.items()
    }
    return made.__getitem__


def fail() -> None:
    raise LookupError("not there")


def test_what_calls_return_is_handed_over_by_keyword_and_as_a_list_when_repeated() -> None:
    named = opener(x1=lambda: 1, x2=lambda: 2, y=lambda: None, _1=lambda: "for nobody")
    assert hooks.before(Hooks(call_before=("x1", "y", "_1", "x2")), "f", named) == {"x": [1, 2], "y": None}
    assert hooks.before(Hooks(), "f", named) == {}


def test_a_call_that_fails_is_told_with_its_hook_and_its_own_error() -> None:
    for place, run in (("call_before", hooks.before), ("call_after", hooks.after)):
        with pytest.raises(HookError, match=f"^in {place} of relax$") as caught:
            run(Hooks(**{place: ("bad",)}), "relax", opener(bad=fail))  # type: ignore[arg-type]  # both are tuples of str
        assert isinstance(caught.value, CovalentError)
        assert isinstance(caught.value.__cause__, LookupError)


def test_no_call_is_made_unless_all_can_be_opened() -> None:
    made: list[int] = []
    with pytest.raises(HookError) as caught:
        hooks.before(Hooks(call_before=("good", "missing")), "f", opener(good=lambda: made.append(1)))
    assert isinstance(caught.value.__cause__, KeyError)
    assert made == []


def test_an_interrupt_is_nobodys_hook() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hooks.after(Hooks(call_after=("stop",)), "f", opener(stop=interrupt))


def test_coroutines_and_generators_are_settled() -> None:
    async def later() -> int:
        return 1

    def several() -> Iterator[int]:
        yield from (1, 2)

    assert hooks.before(Hooks(call_before=("a", "b")), "f", opener(a=later, b=several)) == {"a": 1, "b": [1, 2]}
