"""The colours can be read: text on its background has the contrast that WCAG AA asks for, light and dark."""

import re
from pathlib import Path

import pytest

import grader.report

STYLESHEET = Path(grader.report.__file__).with_name("report.css").read_text(encoding="utf-8")

TEXT = [(ink, ground) for ink in ("ink", "quiet", "link") for ground in ("page", "surface", "sunken")]
TEXT += [(tone, f"{tone}-wash") for tone in ("good", "part", "bad", "wait", "open")]
TEXT += [(tone, ground) for tone in ("part", "bad") for ground in ("page", "surface", "sunken")]
TEXT += [("level-ink", f"level-{level}") for level in (1, 2, 3)]
TEXT += [("level-4-ink", "level-4"), ("level-5-ink", "level-5")]
LINES = [(line, "page") for line in ("candidate", "reference", "variant", "bad")]


def colours(scheme: str) -> dict[str, str]:
    light, dark = re.findall(r":root \{(.*?)\n *\}", STYLESHEET, re.DOTALL)[:2]
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    return found | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark)) if scheme == "dark" else found


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (LINES, 3.0)], ids=["text", "lines"])
def test_contrast_is_enough(scheme: str, pairs: list[tuple[str, str]], least: float) -> None:
    found = colours(scheme)
    ratios = {pair: round(contrast(found[pair[0]], found[pair[1]]), 2) for pair in pairs}

    assert {pair: ratio for pair, ratio in ratios.items() if ratio < least} == {}
