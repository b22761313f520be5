"""The curves of a report as SVG that is part of the page, one picture a module. The only markup not in a template."""

from markupsafe import Markup

from grader.record import Exhibits
from grader.report.pictures.cache import cache_picture
from grader.report.pictures.flops import flops_picture
from grader.report.pictures.training import training_picture
from grader.report.pictures.ulps import ulps_picture
from grader.report.pictures.weighting import weighting_pictures


def pictures(exhibits: Exhibits) -> dict[str, Markup]:
    """A drawing for each exhibit that there is something to draw of, by the name of its field."""
    drawings = {}
    if exhibits.training is not None:
        drawings["training"] = training_picture(exhibits.training)
    if exhibits.ulps is not None and any(exhibits.ulps.counts):
        drawings["ulps"] = ulps_picture(exhibits.ulps)
    if exhibits.flops is not None:
        drawings["flops"] = flops_picture(exhibits.flops)
    if exhibits.cache is not None:
        drawings["cache"] = cache_picture(exhibits.cache)
    if exhibits.weighting is not None:
        drawings |= weighting_pictures(exhibits.weighting)
    return {name: Markup(drawing) for name, drawing in drawings.items()}
