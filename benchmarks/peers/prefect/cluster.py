"""``prefect server start`` on SQLite, its default, with its files below the bench's directory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Final

from benchmarks.machine import below
from benchmarks.peers.ready import state, tell_and_wait

_PAUSE: Final = 0.05


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def healthy(api: str) -> bool:
    """Whether the server answers."""
    try:
        with urllib.request.urlopen(f"{api}/health") as answer:  # noqa: S310  an address of ours
            return bool(answer.status == 200)
    except urllib.error.URLError:
        return False


def main() -> None:
    """Start, wait until it is healthy, tell, wait."""
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    home = {"PREFECT_HOME": str(state()), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, env=os.environ | home, stdin=subprocess.DEVNULL, stdout=sys.stderr) as server:
        while not healthy(api):
            if server.poll() is not None:
                raise SystemExit(f"prefect server start ended with exit code {server.returncode}")
            time.sleep(_PAUSE)
        tell_and_wait([server.pid, *below(server.pid)], PREFECT_API_URL=api, **home)
        server.terminate()


if __name__ == "__main__":
    main()
