"""A user who dispatches generated programs: run as a program, it takes orders from its input and tells of each.

A line is a list of orders, which are all dispatched before the first is waited for. An order is a program to dispatch,
as the text of its script and its arguments, or a dispatch to run again with what has completed taken over.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import covalent as ct
from tests.random_lattices.description import described
from tests.random_lattices.script import Namespace, evaluated, opened, run, with_electrons


def start(order: dict[str, Any], prelude: Namespace, names: Namespace) -> str:
    """Carry out an order; the dispatch's id."""
    if "script" in order:
        arguments = [evaluated(text, prelude) for text in order["arguments"]]
        return ct.dispatch(run(order["script"], names))(*arguments)
    replaced = {name: prelude["REPLACEMENTS"][name] for name in order["replace"]}
    return ct.redispatch(order["dispatch_id"], replace_electrons=replaced, reuse_previous_results=True)()


def told(dispatch_id: str) -> dict[str, Any]:
    """How a dispatch ended."""
    result = ct.get_result(dispatch_id, wait=True)
    value = described(result.result) if result.status == ct.status.COMPLETED else None
    return {"dispatch_id": dispatch_id, "status": result.status, "value": value, "error": result.error}


def main() -> None:
    """Take orders until there are no more."""
    prelude = opened()
    names = with_electrons(prelude, ct)
    for line in sys.stdin:
        started = [start(order, prelude, names) for order in json.loads(line)]
        print(json.dumps([told(dispatch_id) for dispatch_id in started]), flush=True)


if __name__ == "__main__":
    main()
