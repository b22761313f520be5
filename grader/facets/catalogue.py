"""All facets. A bug that shows in several is told by the first of them that an exercise lists."""

from typing import Final

from grader.facets import forward, initialisation, training
from grader.facets.facet import Facet

FACETS: Final[tuple[Facet, ...]] = (forward.FACET, training.FACET, initialisation.FACET)

BY_ID: Final = {facet.id: facet for facet in FACETS}
