"""How a picture is drawn: by matplotlib, so set that the same input gives the same bytes, and made part of the page.

Only numbers are drawn, and words of our own: what others named is said by the page, which escapes it.
"""

import math
import re
from collections.abc import Callable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Drawn in these, shown in the page's own colours: the stylesheet knows the names, in light and in dark.
COLOURS = {
    "ink": "#000001",
    "grid": "#000002",
    "candidate": "#000003",
    "reference": "#000004",
    "variant": "#000005",
    "mark": "#000006",
}
_NAMES = {colour: name for name, colour in COLOURS.items()}
_LEFT_OUT = {"metadata", "style"}
_FONT_SIZE = re.compile(r"([\d.]+)px")

WIDTH: Final = 5.0  # inches: drawn as small as a narrow screen shows it, so that its text stays readable
HEIGHT: Final = 3.0
# Room for words around the axes, in inches; matplotlib could find out how much is needed, by drawing everything twice.
LEFT, RIGHT, TOP, BOTTOM, BETWEEN = 0.8, 0.12, 0.1, 0.5, 0.14
LABEL: Final = 0.14  # where the words at the left stand
LIMIT: Final = 1e30  # far beyond it the arithmetic of the axes overflows, and a loss may be anything
DASHES: Final[dict[str, str | tuple[int, tuple[float, ...]]]] = {
    "candidate": "solid",
    "reference": (0, (2.5, 1.2)),
    "variant": (0, (0.6, 0.6)),
}
# The wider ones lie below: where the candidate covers another exactly, both are still seen.
WIDTHS: Final = {"candidate": 1.8, "reference": 3.4, "variant": 4.8}
# Nothing is taken from the reader's matplotlibrc, the clock or chance.
# Any: newer matplotlibs know each key by name, older ones any text.
_SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "grader",
    "font.size": 10.0,
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.edgecolor": COLOURS["ink"],
    "xtick.color": COLOURS["ink"],
    "ytick.color": COLOURS["ink"],
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(
    name: str,
    title: str,
    description: str,
    paint: Callable[[Sequence["Axes"]], None],
    heights: tuple[float, ...] = (1,),
) -> str:
    """The picture as one ``<svg>`` element.

    Args:
        name: keeps its ids apart from those of other pictures.
        title: what is shown, for who does not see it.
        description: what there is to see, for the same.
        paint: draws into the axes, one for each of ``heights``, from the top.
        heights: in parts of a usual picture's.
    """
    import_library()
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        figure = Figure(figsize=(WIDTH, HEIGHT * sum(heights)))
        axes = figure.subplots(
            len(heights), sharex=True, squeeze=False, height_ratios=heights, gridspec_kw=_room(heights)
        )[:, 0]
        for each in axes:
            each.yaxis.set_label_coords((LABEL - LEFT) / (WIDTH - LEFT - RIGHT), 0.5)
            each.grid(axis="y")
            each.set_axisbelow(True)
            each.xaxis.set_major_locator(MaxNLocator(integer=True))
        paint(list(axes))
        drawing = StringIO()
        figure.savefig(drawing, format="svg", transparent=True, metadata={"Date": None})
    return inline(drawing.getvalue(), name=name, title=title, description=description)


def import_library() -> None:
    """Import matplotlib with its fonts: half a second, and most of what uses the grader draws nothing."""
    import matplotlib.backends.backend_svg
    import matplotlib.figure  # noqa: F401


def _room(heights: Sequence[float]) -> dict[str, float]:
    """The edges of all axes together, and what is between them, in the parts that matplotlib counts in."""
    height = HEIGHT * sum(heights)
    mean = (height - TOP - BOTTOM - BETWEEN * (len(heights) - 1)) / len(heights)
    return {
        "left": LEFT / WIDTH,
        "right": 1 - RIGHT / WIDTH,
        "top": 1 - TOP / height,
        "bottom": BOTTOM / height,
        "hspace": BETWEEN / mean,
    }


def plain(value: float | None) -> float:
    """A number that can be drawn; a gap where there is none."""
    if value is None or value != value:
        return math.nan
    return min(max(value, -LIMIT), LIMIT) + 0.0  # no zero has a sign: those that are equal are drawn alike


def ends(values: Sequence[float]) -> str:
    """The first and the last of a curve, in words."""
    return f"{values[0]:.4g} at the first point, {values[-1]:.4g} at the last"


def inline(markup: str, *, name: str, title: str, description: str) -> str:
    """Matplotlib's SVG as one ``<svg>`` element for the page; ``name`` keeps its ids apart from all others.

    It follows the page's colours, and no style of its own is left.

    The page's policy forbids ``style`` attributes, so each becomes presentation attributes or a class.
    """
    root = ElementTree.fromstring(markup)
    _strip(root)
    needed = set(re.findall(r'(?:url\(|href=")#([^)"]+)', markup))
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = _attributes(element.attrib, name, needed)
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "class": "figure",
        "role": "img",
        "aria-labelledby": f"{name}-title",
        "aria-describedby": f"{name}-desc",
        "stroke-linejoin": "round",
    }
    root[:0] = [_text("desc", f"{name}-desc", description)]
    root[:0] = [_text("title", f"{name}-title", title)]
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _strip(element: Element) -> None:
    for child in list(element):
        if _local(child.tag) in _LEFT_OUT:
            element.remove(child)
        else:
            _strip(child)


def _attributes(attributes: dict[str, str], name: str, needed: set[str]) -> dict[str, str]:
    kept: dict[str, str] = {}
    for attribute, value in attributes.items():
        match _local(attribute):
            case "style":
                kept |= _presentation(value)
            case "id" if value not in needed:
                pass
            case "id":
                kept["id"] = f"{name}-{value}"
            case local:
                kept[local] = value.replace("url(#", f"url(#{name}-")
                if local == "href":
                    kept[local] = f"#{name}-{value.removeprefix('#')}"
    return kept


def _presentation(style: str) -> dict[str, str]:
    kept: dict[str, str] = {}
    classes: list[str] = []
    for declaration in filter(None, map(str.strip, style.split(";"))):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font-family":
            continue  # the page's own
        if name == "font":  # matplotlib before 3.10 writes the shorthand, which no attribute can say
            size = _FONT_SIZE.search(value)
            kept |= {"font-size": size[1]} if size else {}
        elif value in _NAMES:
            classes.append(f"{name}-{_NAMES[value]}")
        else:
            kept[name] = value
    return kept | ({"class": " ".join(classes)} if classes else {})


def _text(tag: str, identifier: str, content: str) -> Element:
    element = Element(tag, {"id": identifier})
    element.text = content
    return element


def _local(name: str) -> str:
    return name.rpartition("}")[2]
