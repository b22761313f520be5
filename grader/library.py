"""Packages of ours that outlive a grade: the reference and its variants, each question put to each of them once."""

from collections.abc import Mapping
from typing import Final

from grader.oracle import Crew, MemoisedOracle, Oracle
from grader.sandbox.client import Launcher

PATIENT: Final = 60.0  # seconds for a question to the reference: it answers, if the machine lets it


class Library:
    """The workers that answer for packages of ours, for as many grades as are made with it.

    Grades share an answer if they ask with the same seed. Use as a context manager, or close it.
    """

    def __init__(self, launcher: Launcher) -> None:
        self._crew = Crew(launcher)
        self._oracles: dict[tuple[int, tuple[tuple[str, str], ...]], Oracle] = {}

    def oracle(self, team: int, name: str, files: Mapping[str, str]) -> Oracle:
        """The one that answers for ``files`` in team number ``team``: no two threads may share a worker."""
        key = team, tuple(sorted(files.items()))
        if key not in self._oracles:
            self._oracles[key] = trusted(self._crew, name, files, memoised=True)
        return self._oracles[key]

    def close(self) -> None:
        """End the workers."""
        self._crew.close()

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def trusted(crew: Crew, name: str, files: Mapping[str, str], *, memoised: bool = False) -> Oracle:
    """An oracle for a package of ours."""
    kind = MemoisedOracle if memoised else Oracle
    return kind(crew, name, files, PATIENT, trusted=True, ahead=("model", "train"))
