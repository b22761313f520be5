"""Which bugs an exercise gets: drawn by its seed, measured one by one, and turned down when they would be unfair."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from grader.errors import UsageError
from grader.injection.difficulty import difficulty, within_reach
from grader.injection.mutants import Mutant, overlap
from grader.injection.observe import Observation
from grader.injection.recipe import Recipe
from mutations.operator import Category

LEAST_EFFECT: Final = 1e-5  # ten times the widest tolerance: no rounding is taken for the bug, or the bug for it

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
