"""index.html: all of it can be read without the script, and nothing of a name becomes anything but text."""

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from grader.cohort.page import render_index
from grader.cohort.similarity import Pair
from grader.cohort.summary import Row, Summary


class Reader(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_everything_is_in_the_page_before_any_script_runs(summary: Summary) -> None:
    read = Reader(render_index(summary))
    text = "".join(read.text)

    for row in summary.rows[:-2]:
        assert " ".join(row.title.split()) in text
    assert "12 of 13 submissions graded" in " ".join(text.split())
    assert "=no model.py in <it>" in text
    assert "95.3 %" in text
    links = [attributes["href"] for tag, attributes in read.elements if tag == "a"]
    assert [link for link in links if link != "#alike"] == [f"candidates/c{n}/report.html" for n in range(12)]


def test_the_one_script_and_the_one_stylesheet_are_those_that_the_policy_names(summary: Summary) -> None:
    page = render_index(summary)
    policy = next(a["content"] for tag, a in Reader(page).elements if "http-equiv" in a)
    (script,), (style,) = (re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL) for tag in ("script", "style"))

    for kind, text in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in (policy or "")
    assert (policy or "").startswith("default-src 'none'; ")


def test_no_name_makes_an_element_or_an_attribute(summary: Summary) -> None:
    read = Reader(render_index(summary))

    assert [tag for tag, _ in read.elements].count("script") == 1
    assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    assert "49" not in [text.strip() for text in read.text]


@pytest.fixture(scope="module")
def window(browser: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if browser.CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with browser.Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


SHOWN = "[...document.querySelectorAll('#heat tbody tr:not([hidden]) th')].map(cell => cell.textContent)"


@pytest.mark.slow
def test_a_reader_sorts_and_filters_and_no_name_runs_or_loads_anything(
    window: Any, summary: Summary, tmp_path: Path
) -> None:
    file = tmp_path / "index.html"
    file.write_text(render_index(summary), encoding="utf-8")
    page = window.open(file)
    names = page.run(SHOWN)
    assert len(names) == len(summary.rows)

    page.run("document.querySelectorAll('#heat thead button')[1].click()")
    assert page.run(SHOWN)[:4] == ["none", names[0], names[4], names[8]]
    page.run("document.querySelectorAll('#heat thead button')[1].click()")
    assert page.run(SHOWN)[-1] == "none"
    assert page.run("document.querySelectorAll('[aria-sort]').length") == 1

    page.run("name_ = document.getElementById('name'); name_.value = 'HYPER'; "
             "name_.dispatchEvent(new Event('input', {bubbles: true}))")  # fmt: skip
    assert page.run(SHOWN) == ["=HYPERLINK(1)"]
    assert page.run("document.getElementById('shown').textContent") == "1 of 13 shown"
    page.run("name_.value = ''; document.getElementById('item').value = '1'; "
             "status_ = document.getElementById('status'); status_.value = 'not-built'; "
             "status_.dispatchEvent(new Event('input', {bubbles: true}))")  # fmt: skip
    assert sorted(page.run(SHOWN)) == sorted(names[number] for number in (0, 3, 6, 9))

    assert page.run("document.title") == "Cohort: An <i>exercise</i>"
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith("file://")] == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_sticks_out_of_the_page(width: int, window: Any, summary: Summary, tmp_path: Path) -> None:
    file = tmp_path / "index.html"
    file.write_text(render_index(summary), encoding="utf-8")
    page = window.open(file, width=width)

    assert page.run("document.documentElement.scrollWidth") <= width


def test_who_is_like_whom_is_looked_up_once_for_all_and_not_again_for_each() -> None:
    folders = [f"c{number}" for number in range(60)]
    looked: list[Pair] = []

    class Pairs(tuple[Pair, ...]):
        def __iter__(self) -> Iterator[Pair]:
            for pair in tuple.__iter__(self):
                looked.append(pair)
                yield pair

    pairs = Pairs(Pair(one, other, 1.0) for one, other in combinations(folders, 2))
    rows = tuple(Row(folder=folder, title=folder, cells={}) for folder in folders)
    summary = Summary(exercise="", items=(), rows=rows, pairs=pairs)

    assert all(len(summary.like(folder)) == len(folders) - 1 for folder in folders)
    assert summary.like("another") == ()
    assert len(looked) == len(pairs)


def test_the_page_says_how_many_were_not_graded_and_why() -> None:
    rows = (Row.of_unread("ann", "ann", "no model.py in it; found: 'a.ipynb'"), Row.of("cy", "cy", None, "no answer"))
    text = " ".join("".join(Reader(render_index(Summary("", (), rows, ()))).text).split())

    assert (
        "1 not graded, for what was handed in. 1 without a verdict on every item, for reasons of this machine." in text
    )
    assert "not graded: no model.py in it; found: 'a.ipynb'" in text
