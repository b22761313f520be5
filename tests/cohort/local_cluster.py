"""A Dask cluster of two worker processes, until stdin ends. It says its address.

python local_cluster.py SCRATCH
"""

import sys

from distributed import LocalCluster

if __name__ == "__main__":
    # The nannies start what is lost again.
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, local_directory=sys.argv[1]
    ) as cluster:
        print(cluster.scheduler_address, flush=True)  # noqa: T201
        sys.stdin.read()
