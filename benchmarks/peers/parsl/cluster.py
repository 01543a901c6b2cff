"""Parsl in a process that does nothing else: how long its start takes, and what it keeps while idle."""

from __future__ import annotations

import os
import time
from typing import Final

import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider

from benchmarks.machine import below, command_line
from benchmarks.peers.ready import WORKERS, state, tell_and_wait

_PAUSE: Final = 0.01


def config() -> Config:
    """One block of workers on this machine, and never another one; the rest is as Parsl has it."""
    executor = HighThroughputExecutor(
        label="workers",
        address="127.0.0.1",
        max_workers_per_node=WORKERS,
        provider=LocalProvider(init_blocks=1, min_blocks=1, max_blocks=1),
    )
    return Config(executors=[executor], run_dir=str(state() / "runinfo"))


def main() -> None:
    """Start, wait for the workers, tell, wait."""
    with parsl.load(config()) as kernel:
        while not kernel.executors["workers"].connected_managers():
            time.sleep(_PAUSE)
        workers = {pid for pid in below(os.getpid()) if "process_worker_pool" in command_line(pid)}
        tell_and_wait([os.getpid(), *(pid for pid in below(os.getpid()) if pid not in workers)])


if __name__ == "__main__":
    main()
