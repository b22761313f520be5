"""All comparisons. A bug that shows in several is told by the first of them that an exercise lists."""

from typing import Final

from grader.comparisons import (
    cache_errors,
    classifier,
    decoding,
    empty_rows,
    errors,
    extremes,
    forward,
    gradients,
    harness,
    heads,
    initialisation,
    modes,
    precisions,
    ragged,
    schemes,
    training,
    weighting,
)
from grader.comparisons.comparison import Comparison
from grader.comparisons.parts import PARTS
from grader.comparisons.twins import (
    changing_modes,
    default_sizes,
    dropout,
    fresh_model,
    larger_run,
    larger_sizes,
    own_run,
    training_mode,
)

COMPARISONS: Final[tuple[Comparison, ...]] = (
    forward.COMPARISON,
    extremes.COMPARISON,
    precisions.COMPARISON,
    gradients.COMPARISON,
    heads.COMPARISON,
    schemes.COMPARISON,
    modes.COMPARISON,
    decoding.COMPARISON,
    ragged.COMPARISON,
    empty_rows.COMPARISON,
    classifier.COMPARISON,
    initialisation.COMPARISON,
    training.COMPARISON,
    harness.COMPARISON,
    weighting.COMPARISON,
    errors.COMPARISON,
    cache_errors.COMPARISON,
)

TWINS: Final[tuple[Comparison, ...]] = (
    default_sizes.COMPARISON,
    larger_sizes.COMPARISON,
    fresh_model.COMPARISON,
    training_mode.COMPARISON,
    changing_modes.COMPARISON,
    gradients.COMPARISON,
    dropout.COMPARISON,
    own_run.COMPARISON,
    larger_run.COMPARISON,
)
"""What a candidate is compared by once its bugs are known, with the variant that has them. They tell no bug that no
other comparison tells, and most cost too much to be asked of every bug that might be planted."""

EVERY: Final = (*COMPARISONS, *PARTS)
"""Those too that a package is compared by which keeps no contract."""

BY_ID: Final = {comparison.id: comparison for comparison in EVERY}
TWIN_BY_ID: Final = {twin.id: twin for twin in TWINS}
