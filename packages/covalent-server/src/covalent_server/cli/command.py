"""The ``covalent`` command itself: its parts, its version, and what becomes of errors."""

from __future__ import annotations

import os
import platform
import sys
from typing import Final

import click

from covalent.errors import CovalentError
from covalent_server.cli import exits, output
from covalent_server.cli.backup import backup, restore
from covalent_server.cli.config import config
from covalent_server.cli.database import database
from covalent_server.cli.doctor import doctor
from covalent_server.cli.limit import limit
from covalent_server.cli.logs import logs
from covalent_server.cli.migrate import migrate
from covalent_server.cli.options import as_json as json_option
from covalent_server.cli.page import open_page
from covalent_server.cli.purge import purge
from covalent_server.cli.start import start
from covalent_server.cli.status import status
from covalent_server.cli.stop import restart, stop
from covalent_server.cli.token import token
from covalent_server.cli.trigger import trigger
from covalent_server.cli.worker import worker
from covalent_server.errors import CovalentServerError

_WIDTH: Final = 100
#: What the SDK has commands for, and people try here first.
ABOUT_DISPATCHES: Final = ("show", "result", "why", "cancel", "login")


class Commands(click.Group):
    """A group that knows where the commands are that it does not have."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command."""
        if args[0] in ABOUT_DISPATCHES:
            ctx.fail(f"No such command {args[0]!r} here; the SDK has it: python -m covalent {args[0]}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands, invoke_without_command=True, context_settings={"max_content_width": _WIDTH}, epilog=exits.described()
)
@click.option("--version", "version_wanted", is_flag=True, help="Print the version.")
@json_option
@click.pass_context
def covalent(context: click.Context, *, version_wanted: bool, as_json: bool) -> None:
    """Covalent runs workflows durably on a server that cannot unpickle anything."""
    if version_wanted:
        _show_version(as_json=as_json)
        context.exit()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (
    *(start, stop, restart, status, open_page, logs, trigger, limit, worker, token, purge),
    *(config, doctor, database, backup, restore, migrate),
):
    covalent.add_command(_command)


def main() -> None:
    """Run the command line and exit with its code; errors of ours become a sentence, never a traceback."""
    try:
        sys.exit(covalent.main(prog_name="covalent", standalone_mode=False) or exits.OK)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(exits.INTERRUPTED)
    except BrokenPipeError:
        # Who read our output has enough; do not fail again when it is flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(exits.OK)
    except CovalentError as error:
        code = exits.code_of(error) if isinstance(error, CovalentServerError) else exits.code_of(CovalentServerError())
        output.show_error(str(error), code, as_json="--json" in sys.argv)
        sys.exit(code)


def _show_version(*, as_json: bool) -> None:
    from importlib.metadata import version  # noqa: PLC0415  (slow, and needed here alone)

    known = version("covalent-server")
    python = platform.python_version()
    text = f"covalent-server {known} (Python {python})"
    output.show(text, {"covalent_server": known, "python": python}, as_json=as_json)
