"""Which bugs an exercise gets: of all mutants of a reference those that the seed draws, measured one by one, and turned
down when they would be unfair or not as hard as was asked for.
"""

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from grader.errors import UsageError
from grader.exercise.key import Bucket, Difficulty
from grader.injection.observe import Observation
from grader.injection.recipe import Recipe
from grader.sandbox.questions import ADAPTER
from mutations.edit import Edit, Rewritten, splice
from mutations.operator import Category, Distance, Operator, Visibility
from mutations.sites import sites
from mutations.source import together

Sources = Mapping[str, str]
"""File name to source text."""
LEAST_EFFECT: Final = 1e-5  # ten times the widest tolerance: no rounding is taken for the bug, or the bug for it
VISIBILITY: Final = {Visibility.CRASH: 0, Visibility.LOSS: 1, Visibility.SILENT: 2}
DISTANCE: Final = {Distance.LINE: 0, Distance.FUNCTION: 1, Distance.FAR: 2}
MEDIUM, HARD = 4, 7  # the least score of each
MEASURED_AT_MOST: Final = 4  # of the score of a bug by itself: killers and effect


class Mutant(NamedTuple):
    """One bug at one site."""

    operator: Operator
    edit: Edit
    site: int  # the number of the site among the operator's

    def __str__(self) -> str:
        return f"{self.operator.id} (site {self.site + 1})" if self.site else self.operator.id

    def files(self, reference: Sources) -> dict[str, str]:
        """The reference with this bug alone."""
        return planted(reference, [self.edit])

    def honest_files(self, reference: Sources) -> dict[str, str] | None:
        """The reference with the refactoring alone that the bug comes with; None where it comes without one."""
        return planted(reference, [self.edit.without_the_bug]) if isinstance(self.edit, Rewritten) else None


def mutants(reference: Sources, operators: Iterable[Operator], kept: Collection[Edit] = ()) -> Iterator[Mutant]:
    """Every site of these operators that no edit of ``kept`` touches."""
    sources = together({file: text for file, text in reference.items() if file != ADAPTER})
    for site in sites(sources, operators):
        if not any(overlap(site.edit, other) for other in kept):
            yield Mutant(site.operator, site.edit, site.number)


def planted(reference: Sources, edits: Collection[Edit]) -> dict[str, str]:
    """The reference with all of these edits made."""
    return {file: splice(text, [edit for edit in edits if edit.file == file]) for file, text in reference.items()}


def overlap(one: Edit, other: Edit) -> bool:
    """Whether two edits touch the same bytes, or insert at the same place."""
    return (
        one.file == other.file
        and one.start <= other.end
        and other.start <= one.end
        and ((one.start < other.end and other.start < one.end) or one.start == other.start)
    )


Observe = Callable[[Mutant, Mutant | None], Observation]
"""What is seen of a mutant; the second is the one that is likely to be asked about next."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A bug that an exercise is to have, and what was seen of it."""

    mutant: Mutant
    seen: Observation


@dataclass(slots=True)
class Chooser:
    """Draws bugs until there are enough.

    Attributes:
        rejected: what was turned down, and why.
    """

    recipe: Recipe
    pool: Sequence[Mutant]
    observe: Observe
    rejected: list[tuple[Mutant, str]] = field(default_factory=list)

    def choose(self) -> list[Chosen]:
        """The bugs, in the order in which they are numbered.

        Raises:
            UsageError: the pool does not hold as many, or one that was asked for cannot be had.
        """
        chosen: list[Chosen] = []
        clashing: list[tuple[Mutant, str]] = []  # for this time: what they clash with may be rejected later
        for mutant in self._candidates(chosen):
            if len(chosen) == self._count:
                break
            clash = self._clash(mutant, chosen)
            if clash is not None:
                clashing.append((mutant, clash))
                continue
            seen = self.observe(mutant, self._likely_after(mutant, chosen))
            reason = self._unfit(mutant, seen)
            if reason is None:
                chosen.append(Chosen(mutant, seen))
            else:
                self.reject(mutant, reason)
        if len(chosen) < self._count:
            never = [(each, f"it is never {self.recipe.difficulty}") for each in self.pool if not self._may_fit(each)]
            raise UsageError(self._too_few(len(chosen), [*self.rejected, *clashing, *never]))
        return chosen

    def reject(self, mutant: Mutant, reason: str) -> None:
        """Never choose it again."""
        self.rejected.append((mutant, reason))

    @property
    def _count(self) -> int:
        return self.recipe.count

    def _candidates(self, chosen: Sequence[Chosen]) -> Iterator[Mutant]:
        """The pool in the order of the seed: first those of categories not chosen yet, then all the others.

        Of operators that were asked for by name each is tried at all its sites before it is given up.
        """
        turned_down = {mutant for mutant, _ in self.rejected}
        drawn = [mutant for mutant in self._drawn() if mutant not in turned_down]
        if self.recipe.operators:
            yield from drawn
            return
        later = []
        for mutant in drawn:
            if mutant.operator.category in _categories(chosen):
                later.append(mutant)
            else:
                yield mutant
        yield from later

    def _likely_after(self, mutant: Mutant, chosen: Sequence[Chosen]) -> Mutant | None:
        """The next candidate, should this one be chosen."""
        drawn = self._drawn()
        known = {each for each, _ in self.rejected}
        taken = _categories(chosen) | {mutant.operator.category}
        rest = drawn[drawn.index(mutant) + 1 :]
        return next((each for each in rest if each not in known and each.operator.category not in taken), None)

    def _drawn(self) -> list[Mutant]:
        """Operators in an order drawn by the seed, and of each its sites, so that many sites are no better odds."""
        generator = random.Random(f"inject {self.recipe.seed}")
        by_operator: dict[str, list[Mutant]] = {}
        for mutant in filter(self._may_fit, self.pool):
            by_operator.setdefault(mutant.operator.id, []).append(mutant)
        names = sorted(by_operator)
        generator.shuffle(names)
        for name in names:
            generator.shuffle(by_operator[name])
        return [mutant for name in names for mutant in by_operator[name]]

    def _may_fit(self, mutant: Mutant) -> bool:
        """Whether a mutant can have the difficulty that is asked for: measuring all the others takes minutes."""
        return self.recipe.difficulty is None or self.recipe.difficulty in within_reach(mutant.operator)

    def _clash(self, mutant: Mutant, chosen: Iterable[Chosen]) -> str | None:
        """Why a mutant does not go with those that are chosen."""
        for other in chosen:
            if other.mutant.operator.id == mutant.operator.id:
                return "its operator has been chosen at another site"
            if overlap(other.mutant.edit, mutant.edit):
                return f"it touches the same text as {other.mutant}"
        return None

    def _unfit(self, mutant: Mutant, seen: Observation) -> str | None:
        """Why a mutant makes no fair bug by itself."""
        if reason := unfit_to_compare(seen, alone=self._count == 1):
            return reason
        return self._uneven(mutant, seen) if seen.killed_by else "no check sees it on every seed"

    def _uneven(self, mutant: Mutant, seen: Observation) -> str | None:
        """Why a mutant has another difficulty than was asked for, by itself or beside a bug that its checks see too."""
        if self.recipe.difficulty is None:
            return None
        alone = difficulty(mutant.operator, seen).bucket
        if alone != self.recipe.difficulty:
            return f"it is {alone}, not {self.recipe.difficulty}"
        beside = difficulty(mutant.operator, seen, [seen]).bucket
        if self._count > 1 and beside != self.recipe.difficulty:
            return f"beside a bug with the same symptoms it is {beside}, not {self.recipe.difficulty}"
        return None

    def _too_few(self, found: int, turned_down: Iterable[tuple[Mutant, str]]) -> str:
        reasons = "".join(f"\n  {mutant}: {reason}" for mutant, reason in turned_down)
        return f"seed={self.recipe.seed!r} gives {found} of the {self._count} bugs asked for; turned down:{reasons}"


def unfit_to_compare(seen: Observation, *, alone: bool) -> str:
    """Why a candidate cannot be known to have a bug, whatever the checks see of it; empty where it can.

    Args:
        alone: whether it is to be the only bug of its exercise.
    """
    if not seen.shows_in:
        return "no comparison with the reference tells it: mostly equivalent here, or code that is never run"
    if seen.effect < LEAST_EFFECT:
        return f"its effect of {seen.effect:.1g} is too close to rounding"
    if seen.crashes_in and not alone:
        return f"it breaks what shows other bugs ({', '.join(seen.crashes_in)}): only for a single bug"
    if seen.unsteady_in:
        return f"its answers vary ({', '.join(seen.unsteady_in)}): no candidate can be known to have it"
    if seen.rewriting_shows_in:
        return f"the refactoring alone changes what is computed ({', '.join(seen.rewriting_shows_in)})"
    return ""


def _categories(chosen: Iterable[Chosen]) -> set[Category]:
    return {bug.mutant.operator.category for bug in chosen}


def difficulty(operator: Operator, seen: Observation, others: Collection[Observation] = ()) -> Difficulty:
    """The difficulty of one bug beside the others of its exercise: how hard it is to find.

    It is a transparent sum of what is known of the bug, and a prior, not a measurement of people::

        visibility       0 it crashes, 1 the loss shows it, 2 neither
        killers          0 many checks see it, 1 a few, 2 one or two
        effect           0 answers change by a tenth or more of their size, 1 by a thousandth, 2 by less
        extra_path       1 it shows only in an extension: cached decoding, the classifier, several heads
        distance         0 the line itself is looked at first, 1 the function, 2 another place
        shared_symptoms  1 another bug of the exercise is seen by the same checks
    """
    features = _known(operator) | {
        "killers": _steps(len(seen.killed_by), (6, 3)),
        "effect": _steps(seen.effect, (0.1, 0.001)),
        "shared_symptoms": int(any(set(other.killed_by) & set(seen.killed_by) for other in others)),
    }
    score = sum(features.values())
    return Difficulty(score=score, bucket=_bucket(score), features=features)


def within_reach(operator: Operator) -> set[Bucket]:
    """The buckets that a bug by itself can fall in, whatever is measured of it."""
    known = sum(_known(operator).values())
    return {_bucket(known + measured) for measured in range(MEASURED_AT_MOST + 1)}


def _known(operator: Operator) -> dict[str, int]:
    """The features that the catalogue says."""
    return {
        "visibility": VISIBILITY[operator.visibility],
        "extra_path": int(bool(operator.needs)),
        "distance": DISTANCE[operator.distance],
    }


def _steps(value: float, limits: tuple[float, float]) -> int:
    """0 from the first limit up, 1 from the second, 2 below."""
    return sum(value < limit for limit in limits)


def _bucket(score: int) -> Bucket:
    return "hard" if score >= HARD else "medium" if score >= MEDIUM else "easy"
