"""Several results of one exercise, one after the other: what each says, and what changed from one to the next."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from itertools import pairwise
from typing import Final

from msgspec import Struct

from grader.limits import DIFF_FILE_MAX_LINES
from grader.result.recheck import ItemComparison, recheck
from grader.result.record import Audience, FileChange, FollowUp, ItemResult, Result, Status

FLOAT_STEPS: Final = "float steps"
FLOAT_STEP: Final = 2.0**-23  # the most that one of 32 bits is of its number
LAST_DIGITS: Final = 16  # float steps, of which six digits show nothing
FAR: Final = 0.1  # as a share of the number, from which on steps say nothing any more
_HUNK: Final = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@")
_UNSEEN: Final = "\0"  # begins what stands for a line that neither result has touched; no line that is shown holds it


class Named(Struct, frozen=True):
    """A result, and what it is called."""

    name: str
    result: Result


class Row(Struct, frozen=True, kw_only=True):
    """An item or a follow-up in every result; None where it was not asked for."""

    id: str
    title: str
    cells: tuple[ItemResult | FollowUp | None, ...]

    @property
    def change(self) -> float | None:
        """How many points the last has more than the first; None where that cannot be said."""
        first, last = self.cells[0], self.cells[-1]
        if first is None or last is None or Status.NOT_JUDGED in (first.status, last.status):
            return None
        return round(last.score - first.score, 2)


class Step(Struct, frozen=True, kw_only=True):
    """From one result to the next.

    Attributes:
        items: those whose verdict is another.
        sources: what changed in the files; None where one of the two results does not hold it.
        notes: what was not the same about the two grades, so that a point may not mean the same.
    """

    before: Named
    after: Named
    items: tuple[ItemComparison, ...]
    followups: tuple[tuple[FollowUp | None, FollowUp], ...]
    sources: tuple[FileChange, ...] | None
    notes: tuple[str, ...]


class Series(Struct, frozen=True, kw_only=True):
    """All of it."""

    results: tuple[Named, ...]
    items: tuple[Row, ...]
    followups: tuple[Row, ...]
    steps: tuple[Step, ...]

    @property
    def worse(self) -> bool:
        """Whether anything has fewer points in the last result than in the first."""
        return any(row.change is not None and row.change < 0 for row in (*self.items, *self.followups))

    @property
    def change(self) -> float:
        """How many points the last result has more than the first."""
        return round(self.results[-1].result.score - self.results[0].result.score, 2)


def series(results: Sequence[Named]) -> Series:
    """The results side by side, in the order in which they are given: at least two, of one exercise.

    Raises:
        ValueError: there are fewer than two, or two of them are about different exercises.
    """
    if len(results) < 2:
        raise ValueError(f"{len(results)} result to compare; expected at least two")
    first = results[0]
    for other in results[1:]:
        if other.result.exercise.id != first.result.exercise.id:
            raise ValueError(
                f"{first.name!r} is about the exercise {first.result.exercise.id!r} and {other.name!r} about "
                f"{other.result.exercise.id!r}; expected results of one exercise"
            )
    return Series(
        results=tuple(results),
        items=_rows([each.result.items for each in results]),
        followups=_rows([each.result.followups for each in results]),
        steps=tuple(_step(*pair) for pair in pairwise(results)),
    )


def divergence(result: Result, far: Callable[[int], str] = lambda ulps: f"{ulps:,} {FLOAT_STEPS} away") -> str:
    """Where the submission's own training run first parts from the solution's, in words.

    Args:
        far: says how far a value is off, from the number of float steps.
    """
    exhibit = result.exhibits.training
    if result.audience is Audience.LEARNER:
        return "not in a learner's copy"
    if exhibit is None or exhibit.reference is None:
        return "no training run to look at"
    first = exhibit.first_divergence
    if first is None:
        return f"none: {len(exhibit.candidate.losses)} steps identical, bit for bit"
    where = f"step {first.step}: {first.tensor}" if first.step is not None else first.tensor
    element = f"[{', '.join(map(str, first.element))}]" if first.element else ""
    off = f", {far(first.ulps)}" if first.ulps is not None else ""
    return f"{where}{element} is {_rounded(first.actual)}{off}"


def roughly(ulps: int) -> str:
    """How far so many float steps of 32 bits are, for a reader who does not count in them."""
    if ulps <= LAST_DIGITS:
        return "which is off in its last digits alone"
    share = ulps * FLOAT_STEP
    return f"which is off by about {100 * share:.1g}%" if share < FAR else "which is far off"


def _rounded(actual: str) -> str:
    """A number to six digits; anything else as it is."""
    try:
        return f"{float(actual):.6g}"
    except ValueError:
        return actual


def _rows(lists: Sequence[Sequence[ItemResult | FollowUp]]) -> tuple[Row, ...]:
    by_id = [{part.id: part for part in parts} for parts in lists]
    titles = {part.id: part.title for parts in lists for part in parts}  # in the order in which they first come
    return tuple(Row(id=id, title=title, cells=tuple(parts.get(id) for parts in by_id)) for id, title in titles.items())


def _step(before: Named, after: Named) -> Step:
    old, new = before.result, after.result
    followups = {part.id: part for part in old.followups}
    moved = (
        (followups.get(part.id), part)
        for part in new.followups
        if (was := followups.get(part.id)) is None or (was.status, was.score) != (part.status, part.score)
    )
    return Step(
        before=before,
        after=after,
        items=tuple(item for item in recheck(old, new).items if not item.same),
        followups=tuple(moved),
        sources=_sources(old, new),
        notes=tuple(_notes(old, new)),
    )


def _sources(old: Result, new: Result) -> tuple[FileChange, ...] | None:
    """Another version of the exercise may have another starter, so nothing can be compared."""
    if old.candidate.sha256 == new.candidate.sha256:
        return ()
    if old.changes is None or new.changes is None or old.integrity.exercise != new.integrity.exercise:
        return None
    return source_diff(old.changes, new.changes)


def _notes(old: Result, new: Result) -> Iterator[str]:
    if old.integrity.exercise != new.integrity.exercise:
        yield "the exercise is another version: a point may not mean the same"
    if old.integrity.grader != new.integrity.grader:
        yield f"graded by another version of the grader ({old.environment.grader}, {new.environment.grader})"
    if old.environment.torch != new.environment.torch:
        yield f"PyTorch {old.environment.torch}, then {new.environment.torch}"
    if old.asked.only != new.asked.only:
        yield "not the same items were asked for"
    if old.asked.thorough != new.asked.thorough:
        yield f"only the {'first' if old.asked.thorough else 'second'} was graded thoroughly"
    if old.asked.timeout != new.asked.timeout:
        yield f"{old.asked.timeout:g} s for one question, then {new.asked.timeout:g} s"
    if old.candidate.sha256 == new.candidate.sha256:
        yield "the same files, graded twice"


@dataclass(frozen=True, slots=True)
class _Edits:
    """What a diff says of the starter's file: lines by their number, the first being 1."""

    known: dict[int, str] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    inserted: dict[int, list[str]] = field(default_factory=dict)  # by the line that they stand before


def source_diff(before: Sequence[FileChange], after: Sequence[FileChange]) -> tuple[FileChange, ...]:
    """What changed from one submission to the other, file by file, as if one had been the other's starter.

    A result holds no sources, but it holds what became of the starter's. Of two results of one exercise that is enough:
    lines of the starter that neither touched are the same in both, whatever they are.

    Args:
        before: what the one had changed in the starter.
        after: what the other had changed in the same starter.

    A diff that was too long to be kept whole tells too little: then ``left_out`` is 1, there is no diff, and only how
    many lines the file had and has is known.
    """
    old, new = ({change.file: change for change in side} for side in (before, after))
    found = (_between(name, old.get(name), new.get(name)) for name in sorted(old | new))
    return tuple(change for change in found if change is not None)


def _between(name: str, old: FileChange | None, new: FileChange | None) -> FileChange | None:
    if old is not None and new is not None and (old.diff, old.left_out) == (new.diff, new.left_out):
        return None
    in_starter = next(change.lines_before for change in (old, new) if change is not None)
    counts = [in_starter if change is None else change.lines_after for change in (old, new)]
    if any(change is not None and _is_too_long(change) for change in (old, new)):
        return FileChange(
            file=name, lines_before=counts[0], lines_after=counts[1], added=0, removed=0, diff="", left_out=1
        )
    edits = [_edits(change) for change in (old, new)]
    known = edits[0].known | edits[1].known
    here, there = (list(_lines(each, in_starter or 0, known)) for each in edits)
    lines = list(unified_diff(here, there, lineterm=""))[2:]
    return FileChange(
        file=name,
        lines_before=counts[0],
        lines_after=counts[1],
        added=sum(line.startswith("+") for line in lines),
        removed=sum(line.startswith("-") for line in lines),
        diff="\n".join(line for line in lines if not line.startswith(f" {_UNSEEN}")),
    )


def _is_too_long(change: FileChange) -> bool:
    """Whether a diff was cut, or is none of a grader's: a result may come from anywhere, and difflib takes its time."""
    lines = max(change.lines_before or 0, change.lines_after or 0, change.diff.count("\n"))
    return change.left_out > 0 or lines > DIFF_FILE_MAX_LINES


def _edits(change: FileChange | None) -> _Edits:
    found = _Edits()
    place = 1  # the line of the starter that comes next
    for line in change.diff.splitlines() if change is not None else ():
        if hunk := _HUNK.match(line):
            # A hunk without lines of the starter names the line before it.
            place = int(hunk[1]) + (hunk[2] == "0")
            continue
        sign, text = line[:1], line[1:]
        if sign == "+":
            found.inserted.setdefault(place, []).append(text)
            continue
        found.known[place] = text
        if sign == "-":
            found.removed.add(place)
        place += 1
    return found


def _lines(edits: _Edits, in_starter: int, known: dict[int, str]) -> Iterator[str]:
    """A whole file, with a mark that is never the same in place of each line that neither side touched."""
    for number in range(1, in_starter + 2):
        yield from edits.inserted.get(number, ())
        if number <= in_starter and number not in edits.removed:
            yield known.get(number, f"{_UNSEEN}{number}")
