"""The curves of a report as SVG that is part of the page, one picture a module. The only markup not in a template."""

from functools import lru_cache
from typing import Final

from markupsafe import Markup

from grader.report.pictures.cache import cache_picture, flops_picture
from grader.report.pictures.training import training_picture
from grader.report.pictures.ulps import ulps_picture
from grader.report.pictures.weighting import weighting_pictures
from grader.result.record import Exhibits


def pictures(exhibits: Exhibits) -> dict[str, Markup]:
    """A drawing for each exhibit that there is something to draw of, by the name of its field."""
    drawings: dict[str, str] = {}
    if exhibits.training is not None:
        drawings["training"] = _training(exhibits.training)
    if exhibits.ulps is not None and any(exhibits.ulps.counts):
        drawings["ulps"] = _ulps(exhibits.ulps)
    if exhibits.flops is not None:
        drawings["flops"] = _flops(exhibits.flops)
    if exhibits.cache is not None:
        drawings["cache"] = _cache(exhibits.cache)
    if exhibits.weighting is not None:
        drawings |= _weighting(exhibits.weighting)
    return {name: Markup(drawing) for name, drawing in drawings.items()}


# A drawing takes longer than the rest of a report, and of a cohort many compute the same numbers.
_kept: Final = lru_cache(maxsize=64)
_training, _ulps, _flops = _kept(training_picture), _kept(ulps_picture), _kept(flops_picture)
_cache, _weighting = _kept(cache_picture), _kept(weighting_pictures)
