"""How hard a bug is to find: a transparent sum of what is known of it, and a prior, not a measurement of people.

visibility       0 it crashes, 1 the loss shows it, 2 neither
killers          0 many checks see it, 1 a few, 2 one or two
effect           0 answers change by a tenth or more of their size, 1 by a thousandth, 2 by less
extra_path       1 it shows only in an extension: cached decoding, the classifier, several heads
distance         0 the line itself is looked at first, 1 the function, 2 another place
shared_symptoms  1 another bug of the exercise is seen by the same checks
"""

from collections.abc import Collection
from typing import Final

from grader.exercise.key import Bucket, Difficulty
from grader.injection.observe import Observation
from mutations.operator import Distance, Operator, Visibility

VISIBILITY: Final = {Visibility.CRASH: 0, Visibility.LOSS: 1, Visibility.SILENT: 2}
DISTANCE: Final = {Distance.LINE: 0, Distance.FUNCTION: 1, Distance.FAR: 2}
MEDIUM, HARD = 4, 7  # the least score of each
MEASURED_AT_MOST: Final = 4  # of the score of a bug by itself: killers and effect


def difficulty(operator: Operator, seen: Observation, others: Collection[Observation] = ()) -> Difficulty:
    """The difficulty of one bug beside the others of its exercise."""
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
