"""A Dask cluster with single-threaded worker processes: the threads of one would be no isolation, and ours has one."""

from __future__ import annotations

import os

from distributed import Client, LocalCluster

from benchmarks.peers.ready import WORKERS, tell_and_wait


def main() -> None:
    """Start, tell, wait."""
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(WORKERS)
        client.close()
        tell_and_wait([os.getpid()], DASK_ADDRESS=cluster.scheduler_address)


if __name__ == "__main__":
    main()
