"""The command: start a provisioner for a server, until it is told to go."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from covalent import config
from covalent.errors import CovalentError, ProvisioningError
from covalent.http import Network, Server
from covalent.locks import locked
from covalent.provisioning import plugins
from covalent.provisioning.driver import Driver, News
from covalent.wire import places

_EPILOG = """\
It starts workers where the tasks of NAME's executors are to run, whenever some wait, with the keys and the accounts of
whoever runs it, and ends them when it ends. It only makes connections to the server and takes none. It needs the API
token of your account there, which `python -m covalent login` keeps.
"""


def main(arguments: Sequence[str]) -> int:
    """The command; returns the exit code."""
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(
        level=parsed.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    try:
        code = _run(parsed)
    except (CovalentError, OSError) as error:
        sys.stderr.write(f"covalent-worker: {error}\n")
        code = 1
    sys.stderr.flush()
    sys.stdout.flush()
    # A plugin that hangs in a thread, or holds on to the process in some other way, does not keep it.
    os._exit(code)


def _parser() -> argparse.ArgumentParser:
    there = ", ".join(plugins.names()) or "none"
    parser = argparse.ArgumentParser(
        prog="covalent-worker --provision",
        description="Start workers for a Covalent server, in the environments of one kind of executor.",
        epilog=f"{_EPILOG}\nThe names known in this environment: {there}\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("name", metavar="NAME", help="the executors' short name")
    parser.add_argument("--server", metavar="URL", help="the server's address, in place of the configured one")
    parser.add_argument("--worker-url", metavar="URL", help="where workers reach the server, if not at that address")
    parser.add_argument("--token-file", type=Path, metavar="PATH", help="a token, in place of the one that is kept")
    parser.add_argument("--ca-file", type=Path, metavar="PATH", help="what vouches for the server's certificate")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="where its workers are remembered")
    parser.add_argument(
        "--attached", action="store_true", help="go when standard input ends, and leave the workers to the next one"
    )
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return parser


def _run(parsed: argparse.Namespace) -> int:
    url = config.server_url(parsed.server)
    if parsed.token_file is None:
        token, source = config.server_token(url), ""
    else:
        token, source = parsed.token_file.read_text(encoding="ascii").strip(), str(parsed.token_file)
    if not token:
        raise ProvisioningError(f"there is no token for {url}; keep one with: python -m covalent login")
    ca_file = parsed.ca_file.expanduser().absolute() if parsed.ca_file else config.ca_file(url)
    directory = (parsed.directory or _own_directory(parsed.name, url)).expanduser().resolve()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if locked(directory / "lock") is None:  # it goes with the process
        raise ProvisioningError(
            f"another provisioner works in {directory}; end that one, or choose a --directory of its own"
        )
    driver = Driver(
        plugins.load(parsed.name),
        Server(url, token, token_sources=source, network=Network(ca_file=ca_file)),
        url=parsed.worker_url or url,
        ca_file=ca_file,
        directory=directory,
    )
    if parsed.attached:
        threading.Thread(target=_watch_input, args=(driver,), name="input", daemon=True).start()
    return driver.run()


def _own_directory(name: str, url: str) -> Path:
    server = places.token_path(Path(), url).name
    return places.cache_dir(os.environ) / "provisioners" / f"{name}-{server}"


def _watch_input(driver: Driver) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    driver.tell(News.LEAVE)
