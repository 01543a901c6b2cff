"""``python -m covalent result``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from covalent.client.waiting import get_result
from covalent.commands import exits, output
from covalent.connection import connect
from covalent.errors import CovalentError, TransportError
from covalent.result import Result
from covalent.status import Status
from covalent.transportable import TransportableObject


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("dispatch", metavar="DISPATCH", help="the dispatch's id")
    parser.add_argument("--wait", action="store_true", help="wait for its end")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--output", metavar="FILE", help="write the value's bytes to a file, unopened")
    what.add_argument(
        "--open", action="store_true", dest="opened", help="open the value in this environment and print all of it"
    )


def run(given: argparse.Namespace) -> int:
    """Print what a dispatch gave, as the process that made the value described it; nothing is opened."""
    result = get_result(given.dispatch, given.wait, given.server, intermediate_outputs=False)
    encoded = result.encoded_result
    if encoded is None:
        return _without_value(result, as_json=given.as_json)
    facts = {"object_string": result.object_string, "json": result.json}
    text = result.object_string or ""
    if given.output is not None:
        connect(given.server).download_asset(encoded.asset_id, Path(given.output).absolute())
        facts["file"] = given.output
        text = f"The value's bytes are in {given.output}; ct.TransportableObject.from_file(...) reads them"
    elif given.opened:
        text = facts["opened"] = _opened(encoded)
    output.show(text, _facts(result) | facts, as_json=given.as_json)
    return exits.OK


def _opened(encoded: TransportableObject) -> str:
    try:
        return str(encoded.get_deserialized())
    except CovalentError:
        raise
    except Exception as error:  # the value's own code runs here
        raise TransportError(f"the value cannot be opened here: {type(error).__name__}: {error}") from error


def _without_value(result: Result, *, as_json: bool) -> int:
    this = f"the dispatch {result.dispatch_id} is {result.status}"
    if result.status.terminal:
        code, message = exits.NO_VALUE, f"{this}: {result.error or 'it has no value'}"
    elif result.status is Status.PENDING_POSTPROCESSING:
        code, message = (
            exits.NO_VALUE,
            f"{this}: its value is put together where ct.get_result(...).post_process() is called",
        )
    else:
        code, message = exits.NOT_ENDED, f"{this} and has no value yet; wait for it with --wait"
    if as_json:
        output.show("", _facts(result) | {"error": {"message": message, "exit_code": code}}, as_json=True)
    output.show_error(message, code, as_json=False)
    return code


def _facts(result: Result) -> dict[str, Any]:
    return {"dispatch_id": result.dispatch_id, "status": result.status}
