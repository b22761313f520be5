"""All facets. A bug that shows in several is told by the first of them that an exercise lists."""

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
from grader.comparisons.comparison import Facet
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

FACETS: Final[tuple[Facet, ...]] = (
    forward.FACET,
    extremes.FACET,
    precisions.FACET,
    gradients.FACET,
    heads.FACET,
    schemes.FACET,
    modes.FACET,
    decoding.FACET,
    ragged.FACET,
    empty_rows.FACET,
    classifier.FACET,
    initialisation.FACET,
    training.FACET,
    harness.FACET,
    weighting.FACET,
    errors.FACET,
    cache_errors.FACET,
)

TWINS: Final[tuple[Facet, ...]] = (
    default_sizes.FACET,
    larger_sizes.FACET,
    fresh_model.FACET,
    training_mode.FACET,
    changing_modes.FACET,
    gradients.FACET,
    dropout.FACET,
    own_run.FACET,
    larger_run.FACET,
)
"""What a candidate is compared by once its bugs are known, with the variant that has them. They tell no bug that no
other facet tells, and most cost too much to be asked of every bug that might be planted."""

BY_ID: Final = {facet.id: facet for facet in FACETS}
TWIN_BY_ID: Final = {twin.id: twin for twin in TWINS}
