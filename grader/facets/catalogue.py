"""All facets. A bug that shows in several is told by the first of them that an exercise lists."""

from typing import Final

from grader.facets import (
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
from grader.facets.facet import Facet

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

BY_ID: Final = {facet.id: facet for facet in FACETS}
