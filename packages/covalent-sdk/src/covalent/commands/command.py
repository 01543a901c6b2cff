"""The entry of ``python -m covalent``: its parser, and what becomes of errors."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from typing import Any, NoReturn

from covalent.commands import cancel, exits, login, output, result, show, why
from covalent.errors import CovalentError

_POINTER = """\
The server has a command of its own:  covalent start   (installed with: {python} -m pip install covalent-server)
A worker, which the server starts by itself:  {python} -m covalent.worker --help
"""
COMMANDS = {"login": login, "show": show, "result": result, "why": why, "cancel": cancel}


class Parser(argparse.ArgumentParser):
    """A parser whose refusals also say where the server's commands are."""

    def __init__(self, **settings: Any) -> None:
        # No abbreviations: `--token X` must not be taken for `--token-file X`.
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Refuse a command line."""
        self.print_usage(sys.stderr)
        self.exit(exits.USAGE, f"covalent: {output.plain(message)}\n{_pointer()}")


def main(arguments: list[str]) -> int:
    """Run one command; returns its exit code. Errors of ours become a sentence, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not have every letter
    known = parser()
    given = known.parse_args(arguments)
    if given.command is None:
        known.print_help()
        return exits.OK
    try:
        code: int = COMMANDS[given.command].run(given)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read our output has enough; do not fail again when it is flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.OK
    except KeyboardInterrupt as interrupt:
        for note in getattr(interrupt, "__notes__", ()):
            sys.stderr.write(f"covalent: {output.plain(note)}\n")
        return exits.INTERRUPTED
    except CovalentError as error:
        return _failed(str(error), exits.code_of(error), as_json=given.as_json)
    except OSError as error:
        return _failed(str(error), exits.OTHER, as_json=given.as_json)
    return code


def _failed(message: str, code: int, *, as_json: bool) -> int:
    with contextlib.suppress(BrokenPipeError):
        output.show_error(message, code, as_json=as_json)
    return code


def parser() -> Parser:
    """What can be written on the command line."""
    shared = Parser(add_help=False)
    shared.add_argument("--server", metavar="URL", help="the server to ask, in place of the configured one")
    shared.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")
    whole = Parser(
        prog="python -m covalent",
        description="Ask a Covalent server about dispatches. The SDK itself is a library: import covalent as ct",
        epilog=_pointer(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(dest="command", metavar="COMMAND")
    for name, module in COMMANDS.items():
        about = (module.run.__doc__ or "").partition("\n")[0]
        module.add(commands.add_parser(name, parents=[shared], help=about, description=about))
    return whole


def _pointer() -> str:
    return _POINTER.format(python=sys.executable)
