"""Two teams, each with a thread: a worker is busy while the grader thinks about what another one has answered."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, NamedTuple

from grader.grading.variants import Lattice
from grader.packages.package import Crew, Oracle

TEAMS: Final = 2  # as many as there are threads


class Team(NamedTuple):
    """The processes that one thread works with: the reference with its variants, and the candidate."""

    lattice: Lattice
    candidate: Oracle


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
