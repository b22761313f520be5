"""Trusted packages that outlive a grade: the reference and its variants, each question put to each of them once."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from grader.grading.search import Draws
from grader.limits import TRUSTED_QUESTION_SECONDS
from grader.packages.cached import CachedPackage, Memory, forget_beyond
from grader.packages.package import Package
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher

AHEAD: Final = ("model", "train")
CANDIDATE: Final = "the candidate"


class Keep(Enum):
    """Which answers are kept for the grades that follow.

    Attributes:
        NOTHING: none; for a single grade, which asks hardly anything twice.
        REFERENCE: those of the reference and its variants, as far as other grades ask for them too.
        EVERYTHING: those of what is graded as well, and between the two pairs of workers: it is a variant of the
            reference itself. Such a grade does not check that the reference reproduces itself: do that before.
    """

    NOTHING = "nothing"
    REFERENCE = "reference"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class Kept:
    """Answers and drawn cases that sessions share, which may grade at the same time: see ``Keep.EVERYTHING``."""

    memory: Memory = field(default_factory=dict)
    draws: Draws = field(default_factory=Draws)


class AnswerCache:
    """The answers of trusted packages, and the cases they were asked of, for as many grades as are made with it.

    Use as a context manager, or close it.

    Attributes:
        draws: the cases; None where nothing is kept.

    Args:
        adapter: the exercise's adapter.py, if its packages keep no contract.
        kept: where what is to be kept is kept already, of everything.
    """

    def __init__(
        self,
        launcher: Launcher,
        keep: Keep = Keep.REFERENCE,
        adapter: str | None = None,
        kept: Kept | None = None,
    ) -> None:
        self._worker_pool = WorkerPool(launcher, adapter=adapter)
        self._keep = keep
        self._oracles: dict[tuple[int, frozenset[tuple[str, str]]], Package] = {}
        self._memories: dict[int, Memory] = defaultdict(dict, {} if kept is None else {0: kept.memory})
        self.draws: Final = None if keep is Keep.NOTHING else Draws() if kept is None else kept.draws
        self._new: dict[int, set[bytes]] = {}  # by pair, what the last grade asked that had not been asked before

    def oracle(self, pair: int, name: str, files: Mapping[str, str]) -> Package:
        """The one that answers for ``files`` in pair number ``pair``: no two threads may share a worker."""
        key = pair, frozenset(files.items())
        if key not in self._oracles:
            self._oracles[key] = CachedPackage(
                self._worker_pool,
                name,
                files,
                TRUSTED_QUESTION_SECONDS,
                trusted=True,
                ahead=AHEAD,
                memory=self._memory(pair),
            )
        return self._oracles[key]

    @contextmanager
    def lent(self, worker_pool: WorkerPool, *, shared: bool = True) -> Iterator["Packages"]:
        """The packages of one grade, whose own workers are those of ``worker_pool``.

        The machine's failures are counted anew, and if the grade fails or is given up, no package is left with a
        question whose answer was not fetched. It would pass for the answer to the next one.

        Args:
            shared: whether other grades are asked the same questions. What is drawn for one grade alone is forgotten
                with it: kept, it would only fill the memory, grade by grade.
        """
        self._worker_pool.pardon_anew()
        self._worker_pool.forget_ended()
        is_for_one = not shared and self._keep is Keep.REFERENCE
        known = {pair: set(memory) for pair, memory in self._memories.items()} if is_for_one else {}
        try:
            yield Packages(self, worker_pool, None if is_for_one else self.draws)
        except BaseException:
            for oracle in self._oracles.values():
                oracle.close()
            raise
        finally:
            if is_for_one:
                self._forget_what_is_new(known)

    def _forget_what_is_new(self, known: Mapping[int, set[bytes]]) -> None:
        """Forget what was not known before the last grade, but for what the one before it has asked as well."""
        for pair, memory in self._memories.items():
            new = memory.keys() - known.get(pair, set())
            for key in new - self._new.get(pair, set()):
                del memory[key]
            self._new[pair] = new

    def forget_beyond(self, most: int) -> None:
        """Forget what was not asked for longest, until what is known takes at most ``most`` bytes."""
        for memory in self._memories.values():
            forget_beyond(memory, most // len(self._memories))

    def stop(self) -> None:
        """Kill the workers, from any thread: waiting callers learn that the grade is given up."""
        self._worker_pool.stop()

    def close(self) -> None:
        """End the workers."""
        self._worker_pool.close()

    def __enter__(self) -> "AnswerCache":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _memory(self, pair: int) -> Memory:
        return self._memories[0 if self._keep is Keep.EVERYTHING else pair]


@dataclass(frozen=True, slots=True)
class Packages:
    """Makes the packages that one grade asks.

    Attributes:
        pool: the grade's own workers.
        draws: what was drawn for earlier grades that asked the same; None where none do.
    """

    _cache: AnswerCache
    pool: WorkerPool
    draws: Draws | None = None

    def trusted(self, pair: int, name: str, files: Mapping[str, str]) -> Package:
        """The reference or a variant of it, for pair number ``pair``."""
        if self._cache._keep is Keep.NOTHING:
            return trusted(self.pool, name, files)
        return self._cache.oracle(pair, name, files)

    def candidate(self, pair: int, files: Mapping[str, str], timeout: float) -> Package:
        """What is graded, in workers of the grade's own."""
        if self._cache._keep is not Keep.EVERYTHING:
            return Package(self.pool, CANDIDATE, files, timeout)
        return CachedPackage(self.pool, CANDIDATE, files, timeout, memory=self._cache._memory(pair))


def trusted(worker_pool: WorkerPool, name: str, files: Mapping[str, str]) -> Package:
    """A trusted package whose answers are not kept."""
    return Package(worker_pool, name, files, TRUSTED_QUESTION_SECONDS, trusted=True, ahead=AHEAD)
