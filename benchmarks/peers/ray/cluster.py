"""Ray on this machine, as ``ray.init()`` starts it: how long its start takes, and what it keeps while idle."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

import ray

from benchmarks.machine import below, command_line
from benchmarks.peers.ready import WORKERS, tell_and_wait


@contextlib.contextmanager
def started() -> Iterator[None]:
    """Ray with one processor for each worker; the rest is as Ray has it."""
    # Not below the bench's directory: Ray makes sockets in it, whose paths must be short.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as directory:
        ray.init(num_cpus=WORKERS, log_to_driver=False, _temp_dir=directory)
        try:
            yield
        finally:
            ray.shutdown()


def main() -> None:
    """Start, tell, wait."""
    with started():
        others = [pid for pid in below(os.getpid()) if not command_line(pid).startswith("ray::")]
        tell_and_wait([os.getpid(), *others])


if __name__ == "__main__":
    main()
