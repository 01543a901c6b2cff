"""A Dask cluster with one single-threaded worker process for each processor; it ends when its stdin is closed.

Run in the peer's environment. When it is ready, it prints its address and the process id of the scheduler.
"""

from __future__ import annotations

import json
import os
import sys

from distributed import Client, LocalCluster


def main() -> None:
    """Start, tell, wait."""
    count = os.cpu_count() or 1
    with (
        LocalCluster(n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(count)
        print(json.dumps({"address": cluster.scheduler_address, "pid": os.getpid()}), flush=True)
        client.close()
        sys.stdin.read()


if __name__ == "__main__":
    main()
