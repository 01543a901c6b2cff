"""``covalent open``: the web page, signed in."""

from __future__ import annotations

import webbrowser
from datetime import datetime
from typing import Any

import click

from covalent_server.cli import options, output
from covalent_server.cli.running import asked


@click.command("open")
@options.places
@click.option("--print", "only_print", is_flag=True, help="Print the address, and start no browser.")
@click.option("--read-only", is_flag=True, help="Let the browser look, and change nothing.")
@options.as_json
def open_page(*, only_print: bool, read_only: bool, as_json: bool, **flags: Any) -> None:
    """Open the web page of the running server in a browser, signed in.

    The address that is printed is good for one browser, once, for five minutes.
    """
    found = asked(flags, "POST", "session/codes", {"scope": "read" if read_only else "user"})
    opened = not (only_print or as_json) and webbrowser.open(found["url"])
    until = datetime.fromtimestamp(found["expires_at"]).astimezone()
    said = "Opened in a browser" if opened else "Open in a browser"
    text = f"{said}, once and until {until:%H:%M:%S}: {found['url']}"
    output.show(text, {"url": found["url"], "expires_at": found["expires_at"], "opened": opened}, as_json=as_json)
