"""Two threads: a worker is busy while the grader thinks about what another one has answered."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from grader.oracle import Crew

TEAMS: Final = 2  # as many as there are threads


@contextmanager
def threads(crew: Crew) -> Iterator[ThreadPoolExecutor]:
    """Two threads; when anything fails, all workers of the crew are ended, so that neither waits for an answer."""
    with ThreadPoolExecutor(max_workers=TEAMS) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            crew.stop()
            raise
