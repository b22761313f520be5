"""Several results of one exercise, one after the other: what each says, and what changed from one to the next."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from grader.result.recheck import ItemComparison, recheck
from grader.result.record import Audience, FileChange, FollowUp, ItemResult, Result, Status
from grader.result.source_diff import source_diff

FLOAT_STEPS: Final = "float steps"


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


def divergence(result: Result) -> str:
    """Where the submission's own training run first parts from the solution's, in words."""
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
    far = f", {first.ulps:,} {FLOAT_STEPS} away" if first.ulps is not None else ""
    return f"{where}{element} is {first.actual}{far}"


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
