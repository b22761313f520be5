"""All comparisons. A bug that shows in several is diagnosed by the first of them that an exercise lists."""

from typing import Final

from grader.comparisons import classifier, configuration, decoding, errors, forward, training, twin_models, twin_runs
from grader.comparisons.comparison import Comparison
from grader.comparisons.parts import PARTS

COMPARISONS: Final[tuple[Comparison, ...]] = (
    forward.COMPARISON,
    forward.EXTREMES,
    forward.PRECISIONS,
    forward.BACKWARD,
    configuration.HEADS,
    configuration.SCHEMES,
    configuration.MODES,
    decoding.COMPARISON,
    decoding.RAGGED,
    forward.EMPTY_ROWS,
    classifier.COMPARISON,
    configuration.INITIALISATION,
    training.COMPARISON,
    training.HARNESS,
    classifier.WEIGHTING,
    errors.ERRORS,
    errors.CACHE_ERRORS,
)

TWINS: Final[tuple[Comparison, ...]] = (
    twin_models.DEFAULT_SIZES,
    twin_models.LARGER_SIZES,
    twin_models.MANY_SIZES,
    twin_models.FRESH_MODEL,
    twin_models.TRAINING_MODE,
    twin_models.CHANGING_MODES,
    forward.BACKWARD,
    twin_models.DERIVATIVES,
    twin_runs.DROPOUT,
    twin_runs.OWN_RUN,
    twin_runs.LARGER_RUN,
)
"""What a candidate is compared by once its bugs are known, with the variant that has them. They tell no bug that no
other comparison tells, and most cost too much to be asked of every bug that might be planted."""

EVERY: Final = (*COMPARISONS, *PARTS)
"""Those too that a package is compared by which keeps no contract."""

BY_ID: Final = {comparison.id: comparison for comparison in EVERY}
TWIN_BY_ID: Final = {twin.id: twin for twin in TWINS}
