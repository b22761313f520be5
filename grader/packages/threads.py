"""Two threads: a worker is busy while the grader looks at what another one has answered."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from grader.packages.worker_pool import WorkerPool

THREADS: Final = 2


@contextmanager
def threads(worker_pool: WorkerPool) -> Iterator[ThreadPoolExecutor]:
    """Two threads; when anything fails, all workers are ended, so that neither thread waits for an answer."""
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            worker_pool.stop()
            raise
