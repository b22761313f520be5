"""Packages of ours that outlive a grade: the reference and its variants, each question put to each of them once."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from grader.grading.search import Draws
from grader.packages.cached import MemoisedOracle, Memory
from grader.packages.package import Crew, Oracle
from grader.sandbox.client import Launcher

PATIENT: Final = 60.0  # seconds for a question to the reference: it answers, if the machine lets it


class Library:
    """The answers of packages of ours, and the cases they were asked of, for as many grades as are made with it.

    Grades share an answer if they ask with the same seed. Use as a context manager, or close it.

    Attributes:
        draws: the cases.

    Args:
        ours: what is graded is ours too, a variant of the reference like those that it is compared with: its
            answers are shared like theirs, and between the teams. Then a grade no longer tells whether the
            reference reproduces itself; see to that first.
    """

    def __init__(self, launcher: Launcher, *, ours: bool = False) -> None:
        self._crew = Crew(launcher)
        self._ours = ours
        self._oracles: dict[tuple[int, frozenset[tuple[str, str]]], Oracle] = {}
        self._memories: dict[int, Memory] = defaultdict(dict)
        self.draws = Draws()

    def oracle(self, team: int, name: str, files: Mapping[str, str]) -> Oracle:
        """The one that answers for ``files`` in team number ``team``: no two threads may share a worker."""
        key = team, frozenset(files.items())
        if key not in self._oracles:
            self._oracles[key] = MemoisedOracle(
                self._crew, name, files, PATIENT, trusted=True, ahead=AHEAD, memory=self._memory(team)
            )
        return self._oracles[key]

    def candidate(self, team: int, crew: Crew, files: Mapping[str, str], timeout: float) -> Oracle:
        """One that answers for what is graded, in a worker of the grade's own."""
        if not self._ours:
            return Oracle(crew, CANDIDATE, files, timeout)
        return MemoisedOracle(crew, CANDIDATE, files, timeout, memory=self._memory(team))

    @contextmanager
    def lent(self) -> Iterator[None]:
        """For the time of one grade: the machine's failures are counted anew, and if the grade fails or is given up,
        no package is left with a question whose answer nobody fetched. It would pass for the answer to the next one.
        """
        self._crew.pardon_anew()
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
        self._crew.stop()

    def close(self) -> None:
        """End the workers."""
        self._crew.close()

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _memory(self, team: int) -> Memory:
        return self._memories[0 if self._ours else team]


AHEAD: Final = ("model", "train")
CANDIDATE: Final = "the candidate"


def trusted(crew: Crew, name: str, files: Mapping[str, str]) -> Oracle:
    """An oracle for a package of ours that is asked in one grade alone."""
    return Oracle(crew, name, files, PATIENT, trusted=True, ahead=AHEAD)
