"""Packages of ours that outlive a grade: the reference and its variants, each question put to each of them once."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from grader.grading.search import Draws
from grader.packages.cached import CachedPackage, Memory
from grader.packages.package import Package
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher

PATIENT: Final = 60.0  # seconds for a question to the reference: it answers, if the machine lets it


class AnswerCache:
    """The answers of packages of ours, and the cases they were asked of, for as many grades as are made with it.

    Grades share an answer if they ask with the same seed. Use as a context manager, or close it.

    Attributes:
        draws: the cases.

    Args:
        ours: what is graded is ours too, a variant of the reference like those that it is compared with: its
            answers are shared like theirs, and between the pairs. Then a grade no longer tells whether the
            reference reproduces itself; see to that first.
    """

    def __init__(self, launcher: Launcher, *, ours: bool = False) -> None:
        self._worker_pool = WorkerPool(launcher)
        self._ours = ours
        self._oracles: dict[tuple[int, frozenset[tuple[str, str]]], Package] = {}
        self._memories: dict[int, Memory] = defaultdict(dict)
        self.draws = Draws()

    def oracle(self, pair: int, name: str, files: Mapping[str, str]) -> Package:
        """The one that answers for ``files`` in pair number ``pair``: no two threads may share a worker."""
        key = pair, frozenset(files.items())
        if key not in self._oracles:
            self._oracles[key] = CachedPackage(
                self._worker_pool, name, files, PATIENT, trusted=True, ahead=AHEAD, memory=self._memory(pair)
            )
        return self._oracles[key]

    def candidate(self, pair: int, worker_pool: WorkerPool, files: Mapping[str, str], timeout: float) -> Package:
        """One that answers for what is graded, in a worker of the grade's own."""
        if not self._ours:
            return Package(worker_pool, CANDIDATE, files, timeout)
        return CachedPackage(worker_pool, CANDIDATE, files, timeout, memory=self._memory(pair))

    @contextmanager
    def lent(self, adapter: str | None = None) -> Iterator[None]:
        """For the time of one grade: the machine's failures are counted anew, and if the grade fails or is given up,
        no package is left with a question whose answer nobody fetched. It would pass for the answer to the next one.

        Args:
            adapter: that of the exercise.
        """
        self._worker_pool.adapter = adapter
        self._worker_pool.pardon_anew()
        try:
            yield
        except BaseException:
            for oracle in self._oracles.values():
                oracle.close()
            raise

    def forget_beyond(self, most: int) -> None:
        """Forget what was not asked for longest, until what is known takes at most ``most`` bytes."""
        for memory in self._memories.values():
            sizes = {key: sum(array.nbytes for array in answer.values()) for key, answer in memory.items()}
            left = sum(sizes.values()) * len(self._memories)
            for key, size in sizes.items():
                if left <= most:
                    break
                del memory[key]
                left -= size * len(self._memories)

    def stop(self) -> None:
        """Kill the workers, from any thread: whoever waits for an answer is told that the grade is given up."""
        self._worker_pool.stop()

    def close(self) -> None:
        """End the workers."""
        self._worker_pool.close()

    def __enter__(self) -> "AnswerCache":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _memory(self, pair: int) -> Memory:
        return self._memories[0 if self._ours else pair]


AHEAD: Final = ("model", "train")
CANDIDATE: Final = "the candidate"


def trusted(worker_pool: WorkerPool, name: str, files: Mapping[str, str]) -> Package:
    """An oracle for a package of ours that is asked in one grade alone."""
    return Package(worker_pool, name, files, PATIENT, trusted=True, ahead=AHEAD)
