"""Groups of near copies, and what two of them have in common, side by side."""

import re
from html.parser import HTMLParser

import pytest

from grader.cohort import near_copies
from grader.cohort.near_copies import compared_groups, render_near_copies
from grader.cohort.page import render_index
from grader.cohort.row import Row
from grader.cohort.similarity import Pair, groups
from grader.cohort.summary import Summary

LEFT, RIGHT = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
STARTER = {"model.py": "import torch\n\n\ndef handed(x):\n    y = x\n    return y\n"}
MINE = STARTER["model.py"] + "\n\ndef own(total):\n    # mine\n    return total + 1\n"
YOURS = STARTER["model.py"] + "\n\ndef own(summe):\n    # yours\n    return summe + 1\n\nprint('more')\n"


def cohort(*pairs: Pair) -> Summary:
    folders = sorted({folder for pair in pairs for folder in (pair.first, pair.second)})
    rows = tuple(Row(folder=folder, title=folder, score=1.0, max_score=1.0, cells={}) for folder in folders)
    return Summary(exercise="E", items=(), rows=rows, pairs=pairs)


def test_who_hangs_together_by_pairs_is_one_group_and_the_largest_comes_first() -> None:
    alike = {"ef": 0.99, "ab": 0.97, "ac": 0.95, "bc": 0.93, "cd": 0.91}
    pairs = tuple(Pair(both[0], both[1], share) for both, share in alike.items())
    first, second = groups(pairs)

    assert (first.members, second.members) == (("a", "b", "c", "d"), ("e", "f"))
    assert first.pairs == (pairs[1], pairs[2], pairs[4])  # the least that holds it together, by the most alike
    assert groups(()) == ()
    assert groups(tuple(reversed(pairs))) == (first, second)


def rows_of(page: str) -> list[tuple[str, list[str]]]:
    """The class of each line of the page's tables, and its cells."""
    return [
        (kind, [re.sub(r"<.*?>", "", cell) for cell in re.findall(r"<td.*?>(.*?)</td>", row)])
        for kind, row in re.findall(r'<tr class="(\w+)">(.*?)</tr>', page)
    ]


def test_two_texts_stand_side_by_side_by_what_is_the_same_but_for_names() -> None:
    texts = {"ann": {"model.py": MINE}, "bob": {"model.py": YOURS}}
    page = render_near_copies(cohort(Pair("ann", "bob", 0.95)), texts, STARTER)
    found = [(kind, [cell.strip() for cell in cells]) for kind, cells in rows_of(page)]

    assert found[0] == ("starter", ["1", "import torch", "", "1", "import torch"])
    assert found[1] == ("skipped", ["6 lines of the starter"])
    assert ("alike", ["9", "def own(total):", "≈", "9", "def own(summe):"]) in found
    assert ("left", ["10", "# mine", LEFT, "", ""]) in found
    assert ("right", ["", "", RIGHT, "10", "# yours"]) in found
    assert found[-1] == ("right", ["", "", RIGHT, "13", "print(&#39;more&#39;)"])


def test_what_is_the_starters_alone_is_not_shown() -> None:
    page = render_near_copies(cohort(Pair("ann", "bob", 1.0)), {"ann": STARTER, "bob": STARTER}, STARTER)

    assert "def handed" not in page or rows_of(page)[1][0] == "skipped"


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attributes)))


def test_no_line_of_a_submission_is_anything_but_text() -> None:
    loud = "</code></td><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e"
    name = "</h3><script>alert(3)</script>"
    summary = cohort(Pair("ann", name, 0.95))
    plain, hostile = (
        render_near_copies(summary, {"ann": {"model.py": text}, name: {"model.py": text}}, {})
        for text in ("x = 1\n", f"x = 1 # {loud}\n")
    )

    assert Tags(hostile).found == Tags(plain).found
    assert "script" not in {tag for tag, _ in Tags(hostile).found}
    assert "\x1b" not in hostile
    assert "\u202e" not in hostile
    assert "script-src" not in hostile


def test_the_page_is_bounded_and_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_copies, "MOST_PAIRS", 2)
    monkeypatch.setattr(near_copies, "MOST_SHOWN", 3)
    monkeypatch.setattr(near_copies, "MOST_CHARACTERS", 20)
    pairs = (*(Pair("a", other, 0.95) for other in "bcd"), Pair("y", "z", 0.99))
    summary = cohort(*pairs)
    text = "".join(f"value_{number} = {'1' * 40}\n" for number in range(5))
    page = render_near_copies(summary, {folder: {"model.py": text} for folder in "abcdyz"}, {})

    assert compared_groups(summary.groups) == {1: pairs[:2]}
    assert "2 more lines of <code>model.py</code> are not shown." in page
    assert "1 more pairs of this group are not shown." in page
    assert "1 more groups are not shown here" in page
    assert "value_0 = 1111111111…" in page
    assert "1" * 12 not in page
    index = render_index(summary, compared=frozenset(compared_groups(summary.groups)))
    assert re.findall(r'href="near-copies.html#group-(\d)"', index) == ["1"]


def test_a_flood_of_lines_that_are_all_alike_is_compared_as_far_as_it_is_looked_at() -> None:
    flood = {"ann": {"model.py": "x = 1\n" * 40_000}, "bob": {"model.py": "y = 2\n" * 40_000}}
    page = render_near_copies(cohort(Pair("ann", "bob", 0.95)), flood, {})

    assert f"{near_copies.MOST_LINES - near_copies.MOST_SHOWN} more lines of <code>model.py</code>" in page
