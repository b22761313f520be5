"""How to grade: built once, and handed on as one value."""

from dataclasses import dataclass
from typing import Final

from grader.limits import BUDGET_TIMEOUT_FACTOR, QUESTION_SECONDS
from grader.sandbox.control import Mode

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
    timeout: float = QUESTION_SECONDS
    explain: bool = True

    @property
    def times(self) -> int:
        """How many times the usual number of examples each check tries."""
        return THOROUGH if self.thorough else 1

    @property
    def budget(self) -> float:
        """Seconds that all answers of a submission together may take, computing or asleep."""
        return BUDGET_TIMEOUT_FACTOR * max(1.0, self.timeout) * self.times
