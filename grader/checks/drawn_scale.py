"""How large a case's weights are: as the grader draws them, as a fresh model has them, and between.

What a mask hides and where a position reaches does not depend on it, so that it is asked of all: a model that looks at
its weights must not be able to tell a question from ordinary use.
"""

from typing import Final

from grader.checks.strategies import ModelCase

LARGE: Final = 0.5  # differences show best
FRESH: Final = 0.02  # what GPT-2 is initialised with
BETWEEN: Final = 0.1


def drawn_scale(case: ModelCase) -> float:
    """The scale that goes with the weights of a case."""
    return (case.scale, FRESH, BETWEEN)[case.weights % 3]


def small_scale(case: ModelCase) -> float:
    """The same where large weights are asked about by another question."""
    return (FRESH, BETWEEN)[case.weights % 2]
