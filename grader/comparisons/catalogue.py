"""All comparisons. A bug that shows in several is diagnosed by the first of them that an exercise lists."""

from typing import Final

from grader.comparisons import (
    classifier,
    decoding,
    errors,
    forward,
    gradients,
    harness,
    heads,
    initialisation,
    modes,
    ragged,
    schemes,
    training,
    twin_dropout,
    twin_models,
    twin_runs,
    weighting,
)
from grader.comparisons.comparison import Comparison
from grader.comparisons.parts import PARTS

COMPARISONS: Final[tuple[Comparison, ...]] = (
    forward.COMPARISON,
    forward.EXTREMES,
    forward.PRECISIONS,
    gradients.COMPARISON,
    heads.COMPARISON,
    schemes.COMPARISON,
    modes.COMPARISON,
    decoding.COMPARISON,
    ragged.COMPARISON,
    gradients.EMPTY_ROWS,
    classifier.COMPARISON,
    initialisation.COMPARISON,
    training.COMPARISON,
    harness.COMPARISON,
    weighting.COMPARISON,
    errors.ERRORS,
    errors.CACHE_ERRORS,
)

TWINS: Final[tuple[Comparison, ...]] = (
    twin_models.DEFAULT_SIZES,
    twin_models.LARGER_SIZES,
    twin_models.FRESH_MODEL,
    twin_models.TRAINING_MODE,
    twin_models.CHANGING_MODES,
    gradients.COMPARISON,
    twin_dropout.COMPARISON,
    twin_runs.OWN_RUN,
    twin_runs.LARGER_RUN,
)
"""What a candidate is compared by once its bugs are known, with the variant that has them. They tell no bug that no
other comparison tells, and most cost too much to be asked of every bug that might be planted."""

EVERY: Final = (*COMPARISONS, *PARTS)
"""Those too that a package is compared by which keeps no contract."""

BY_ID: Final = {comparison.id: comparison for comparison in EVERY}
TWIN_BY_ID: Final = {twin.id: twin for twin in TWINS}
