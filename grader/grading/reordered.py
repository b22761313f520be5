"""Which changed lines put operations in another order: those without which the results are the solution's bit for bit.

Each place where a submission differs is put back by itself, and the submission is asked again. What two places do
together, or a package that was written from nothing, cannot be found this way.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, NamedTuple

from grader.comparisons.comparison import Comparison
from grader.exercise.model import Exercise
from grader.files.printable import one_line
from grader.grading.variants import Bugs, Variants
from grader.packages.package import Package
from grader.packages.trouble import PackageDied, PackageHung
from grader.sandbox.wire import Tensors

MOST: Final = 24  # places that are tried, of one comparison
LONGEST: Final = 2_000  # lines of a file that is compared
WIDEST: Final = 40  # lines of a place, before and now: with more of a file put back, single lines say nothing
BRIEF: Final = 100  # characters of a line that is shown


class Hunk(NamedTuple):
    """Lines ``start`` to ``end`` of a file, and what stood there before."""

    file: str
    start: int
    end: int
    before: tuple[str, ...]

    def undone(self, files: Mapping[str, str]) -> dict[str, str]:
        """The files with this put back."""
        lines = files[self.file].splitlines(keepends=True)
        return {**files, self.file: "".join((*lines[: self.start], *self.before, *lines[self.end :]))}

    def place(self, files: Mapping[str, str]) -> str:
        """``model.py, line 57: x = ...``: of lines that were taken out, after which line."""
        lines = files[self.file].splitlines()[self.start : self.end]
        if not lines:
            return f"{self.file}, after line {self.start}"
        if len(lines) > 1:
            return f"{self.file}, lines {self.start + 1} to {self.end}"
        shown = one_line(lines[0].strip())
        return f"{self.file}, line {self.end}: {shown if len(shown) <= BRIEF else f'{shown[: BRIEF - 1]}…'}"


@dataclass(frozen=True, slots=True)
class Trials:
    """A submission with one place after another put back."""

    files: Mapping[str, str]
    exercise: Exercise
    variants: Variants
    ask: Callable[[Mapping[str, str]], Package]

    def lines(self, comparison: Comparison, bugs: Bugs) -> str:
        """The place without which the answers have the bits of the variant with these bugs; empty if none is."""
        for hunk in list(dict.fromkeys(self._hunks(bugs)))[:MOST]:
            with self.ask(hunk.undone(self.files)) as candidate:
                answers: list[Tensors] | Exception = self.variants.put(comparison, candidate)
            if isinstance(answers, PackageHung | PackageDied):
                return ""
            if not isinstance(answers, Exception) and self.variants.same_bits(comparison, answers, bugs):
                return hunk.place(self.files)
        return ""

    def _hunks(self, bugs: Bugs) -> Iterator[Hunk]:
        """Where the submission differs from what was handed out, and then from what it is found to compute."""
        for before in (self.exercise.starter(), self.exercise.variant(bugs)):
            for name in sorted(before.keys() & self.files.keys()):
                yield from _changed(name, before[name], self.files[name])


def _changed(file: str, before: str, after: str) -> Iterator[Hunk]:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    if max(len(old), len(new)) > LONGEST:
        return
    for kind, i, j, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal" and max(j - i, end - start) <= WIDEST:
            yield Hunk(file, start, end, tuple(old[i:j]))
