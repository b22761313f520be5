"""Makes matplotlib's SVG part of a page: it follows the page's colours, and no style of its own is left."""

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

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


def inline(markup: str, *, name: str, title: str, description: str) -> str:
    """The picture as one ``<svg>`` element for the page; ``name`` keeps its ids apart from all others.

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
