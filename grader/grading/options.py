"""How to grade, and what is graded then."""

from dataclasses import dataclass
from typing import Final

from grader.errors import UsageError
from grader.exercise.model import Exercise, Item
from grader.sandbox.control import Mode
from grader.suggestions import did_you_mean

PATIENCE: Final = 30  # times the time-out, at least of a second: minutes, of which most submissions need seconds
THOROUGH: Final = 8  # times as many examples of each check


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to grade.

    Attributes:
        only: ids of items and follow-ups to grade; empty for all.
        followups: whether to ask the follow-ups too where ``only`` names nothing.
        seed: to repeat a grade; None draws one in secret.
        shared: whether the questions depend on the seed alone, and not on the submission too: then the reference
            answers them once for many.
        timeout: seconds for one question, computing or asleep.
        explain: whether to look for the smallest failing cases, and collect evidence that decides no point.
    """

    only: tuple[str, ...] = ()
    followups: bool = True
    seed: int | None = None
    shared: bool = False
    thorough: bool = False
    isolation: Mode = "strict"
    timeout: float = 10.0
    explain: bool = True

    @property
    def times(self) -> int:
        """How many times the usual number of examples each check tries."""
        return THOROUGH if self.thorough else 1

    @property
    def budget(self) -> float:
        """Seconds that all answers of a submission together may take, computing or asleep."""
        return PATIENCE * max(1.0, self.timeout) * self.times


def asked_for(exercise: Exercise, options: Options) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """The items and the follow-ups to grade. Raises ``UsageError`` for one that the exercise does not have."""
    rubric, only = exercise.rubric, options.only
    for name in only:
        if name not in exercise.items and name not in exercise.followups:
            listed = ", ".join((*exercise.items, *exercise.followups))
            near = did_you_mean(name, (*exercise.items, *exercise.followups))
            raise UsageError(f"no such item: {name!r}; this exercise has {listed}{near}")
    if not only:
        return rubric.item, rubric.followup if options.followups else ()
    items, followups = (tuple(item for item in of if item.id in only) for of in (rubric.item, rubric.followup))
    return items, followups
