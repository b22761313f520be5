"""Which of several versions of a file is meant: the newest, by the number that was put into its name.

Canvas writes ``model-1.py`` where a person hands in another ``model.py``, and browsers ``model (1).py`` where they save
another one. Both count upwards.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_MODULE: Final = re.compile(r"[^\W\d]\w*\.py")
_NUMBERED: Final = re.compile(r"(?P<stem>.+?)(?:-(?P<canvas>[1-9]\d?)| ?\((?P<browser>[1-9]\d?)\))", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which file is taken for one of that name.

    Attributes:
        name: the file's as it lies there; empty where that is unknown.
        among: all that could be meant, in order.
    """

    name: str
    among: tuple[str, ...]


def chosen(names: Sequence[str], endings: Sequence[str]) -> dict[str, Chosen]:
    """By its name without a number, which of its versions is taken, of each of ``names`` that has one of the endings.

    A ``.py`` file counts as a version only of what can be imported: ``a-1.py`` could not be, under its own name.
    """
    versions: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for name in sorted(names):
        ending = next((ending for ending in endings if name.lower().endswith(ending)), None)
        if ending is None:
            continue
        stem, canvas, browser = _parted(name[: -len(ending)])
        plain = stem + name[-len(ending) :]
        if ending == ".py" and not _MODULE.fullmatch(plain):
            plain, canvas, browser = name, 0, 0
        versions[plain].append((canvas, browser, name))
    return {plain: _newest(found) for plain, found in versions.items()}


def _parted(stem: str) -> tuple[str, int, int]:
    """The stem without numbers, and those of Canvas and of a browser; each may have put one there."""
    canvas = browser = 0
    while found := _NUMBERED.fullmatch(stem):
        if (found["canvas"] and canvas) or (found["browser"] and browser):
            break
        canvas = int(found["canvas"] or canvas)
        browser = int(found["browser"] or browser)
        stem = found["stem"]
    return stem, canvas, browser


def _newest(versions: list[tuple[int, int, str]]) -> Chosen:
    among = tuple(name for *_, name in sorted(versions))
    highest = max(canvas for canvas, _, _ in versions), max(browser for _, browser, _ in versions)
    newest = [name for canvas, browser, name in versions if (canvas, browser) == highest]
    return Chosen(name=newest[0] if len(newest) == 1 else "", among=among)
