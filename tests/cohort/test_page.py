"""index.html: all of it can be read without the script, and nothing of a name becomes anything but text."""

import base64
import hashlib
import html
import importlib.util
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from grader.cohort.near_copies import render_near_copies
from grader.cohort.page import render_index
from grader.cohort.row import Cell, Row
from grader.cohort.similarity import Pair
from grader.cohort.store import way_back
from grader.cohort.summary import Summary
from grader.report import render_html
from grader.result.record import Status

AXE = importlib.util.find_spec("axe_core_python")


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
    links = [attributes["href"] or "" for tag, attributes in read.elements if tag == "a"]
    ids = {attributes["id"] for _, attributes in read.elements if "id" in attributes}
    reports = [link for link in links if link.startswith("candidates/")]
    assert sorted(set(reports)) == sorted(f"candidates/c{n}/report.html" for n in range(12))
    assert {link[1:] for link in links if link.startswith("#")} <= ids


def test_people_come_first_with_the_most_points_on_top_and_those_without_a_verdict_last(summary: Summary) -> None:
    page = render_index(summary)
    places = [page.index(f'<h2 id="{id}"') for id in ("candidates", "alike", "items", "scores")]

    assert places == sorted(places)
    assert [row.score for row in summary.ranked] == [30, 30, 30, 20, 20, 20, 10, 10, 10, 0, 0, 0, None]
    assert [row.folder for row in summary.ranked] == re.findall(r'<tr id="c-(\S+?)"', page)


def test_a_column_says_where_its_item_stands_in_a_report(samples: ModuleType) -> None:
    result = samples.followed_up()
    row = Row.of("ann", "ann", result, "")
    titles = [tuple((part.id, part.title) for part in parts) for parts in (result.items, result.followups)]
    page = render_index(Summary("", titles[0], (row,), (), followups=titles[1]))
    anchors = dict(re.findall(r'data-column="([\w-]+)"[^>]* data-anchor="([\w-]+)"', page))
    report = render_html(result, back=way_back("ann"))

    assert set(anchors) >= {item.id for item in result.items}
    for part in (*result.items, *(each for each in result.followups if each.id in anchors)):
        heading = report[: report.index(f' id="{anchors[part.id]}"')].rpartition("<h3>")[2]
        assert heading.startswith(html.escape(part.title))
    assert 'href="../../index.html#c-ann"' in report
    assert 'id="c-ann"' in page
    assert "all candidates" not in render_html(result)


def test_follow_ups_that_somebody_has_begun_have_a_column_and_the_others_are_named() -> None:
    built, not_built = Cell(Status.BUILT, 10.0, 10.0), Cell(Status.NOT_BUILT, 0.0, 10.0)
    rows = tuple(
        Row(folder=name, title=name, score=5.0, max_score=5.0, cells={}, followups={"heads": heads, "gqa": not_built})
        for name, heads in (("ann", built), ("bob", not_built))
    )
    page = render_index(Summary("", (), rows, (), followups=(("heads", "Heads"), ("gqa", "Grouped"))))

    assert 'data-column="heads"' in page
    assert 'data-column="gqa"' not in page
    assert "No candidate has begun these follow-ups: Grouped." in page
    assert re.findall(r'<td class="amount">(\S+?)</td>', page)[:4] == ["5", "10", "5", "0"]


def test_the_page_says_when_grading_began() -> None:
    assert "grading began 2026-11-29 19:04 UTC" in render_index(
        Summary("", (), (), (), begun_at="2026-11-29T19:04:10Z")
    )
    assert "grading began" not in render_index(Summary("", (), (), ()))


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
def window(browsers: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if browsers.CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with browsers.Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


IDS = "[...document.querySelectorAll('#heat tbody tr')].map(row => row.id)"
SHOWN = "[...document.querySelectorAll('#heat tbody tr:not([hidden]) th > :first-child')].map(cell => cell.textContent)"


@pytest.mark.slow
def test_a_reader_sorts_and_filters_and_no_name_runs_or_loads_anything(
    window: Any, summary: Summary, tmp_path: Path
) -> None:
    file = tmp_path / "index.html"
    file.write_text(render_index(summary), encoding="utf-8")
    page = window.open(file)
    names = page.run(SHOWN)
    assert len(names) == len(summary.rows)

    assert page.run("document.querySelector('[aria-sort]').dataset.column") == "score"
    page.run("document.querySelector('[data-column=score] button').click()")
    assert page.run(SHOWN)[0] == "none"
    page.run("document.querySelector('[data-column=score] button').click()")
    assert page.run(SHOWN) == names
    assert page.run("document.querySelectorAll('[aria-sort]').length") == 1
    page.run("document.querySelector('[data-column=masking] button').click()")
    assert page.run("document.querySelector('#heat tbody td:nth-child(3)').textContent") == "✓ 15"
    assert page.run("location.hash") == "#sort=-masking"
    links = page.run("[...document.querySelectorAll('#c-c1 td a')].map(way => way.getAttribute('href'))")
    assert links == ["candidates/c1/report.html#item-1", "candidates/c1/report.html#item-2"]
    assert page.run("document.querySelector('#c-c1 td a').getAttribute('aria-label')") == "Fixed 15"

    page.run("name_ = document.getElementById('name'); name_.value = 'HYPER'; "
             "name_.dispatchEvent(new Event('input', {bubbles: true}))")  # fmt: skip
    assert page.run(SHOWN) == ["=HYPERLINK(1)"]
    assert page.run("document.getElementById('shown').textContent") == "1 of 13 shown"
    page.run("name_.value = ''; document.getElementById('item').value = 'kv-cache'; "
             "status_ = document.getElementById('status'); status_.value = 'not-built'; "
             "status_.dispatchEvent(new Event('input', {bubbles: true}))")  # fmt: skip
    unbuilt = [row.folder for row in summary.rows if row.cells and row.cells["kv-cache"].status is Status.NOT_BUILT]
    assert sorted(page.run(IDS)) == sorted(f"c-{folder}" for folder in unbuilt)

    again = window.open(f"{file.as_uri()}{page.run('location.hash')}")
    assert again.run(IDS) == page.run(IDS)
    assert again.run("document.getElementById('status').value") == "not-built"
    sought = window.open(f"{file.as_uri()}#c-c3")
    assert sought.run("document.querySelector('.sought').id") == "c-c3"
    assert len(sought.run(IDS)) == len(names)
    for address in ("#items", "#%E0%A4%A", "#sort=nothing&status=none&item=none"):
        other = window.open(f"{file.as_uri()}{address}")
        assert other.run("document.getElementById('shown').textContent") == "13 of 13 shown", address
        assert other.run(SHOWN) == names, address

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


@pytest.mark.slow
@pytest.mark.skipif(AXE is None, reason="axe-core-python is not installed")
def test_axe_finds_nothing_on_the_two_pages(window: Any, summary: Summary, tmp_path: Path) -> None:
    assert AXE is not None
    assert AXE.origin is not None
    axe = Path(AXE.origin).with_name("axe.min.js").read_text("utf-8")
    texts = {"c0": {"model.py": "x = 1\ny = 2\n"}, "c7": {"model.py": "z = 1\n# more\n"}}
    pages = {"index": render_index(summary, frozenset({1})), "near-copies": render_near_copies(summary, texts, {})}
    found = {}
    for name, page in pages.items():
        (tmp_path / f"{name}.html").write_text(page, encoding="utf-8")
        opened = window.open(tmp_path / f"{name}.html")
        opened.run(axe)
        for width, dark in ((1440, False), (360, True)):
            opened.look(width=width, dark=dark)
            violations = opened.run("axe.run({resultTypes: ['violations']}).then(found => found.violations)")
            found[name, width] = [
                (v["id"], n["html"][:160], n["failureSummary"]) for v in violations for n in v["nodes"]
            ]
            assert opened.run("document.documentElement.scrollWidth") <= width

    assert [each for each in found.items() if each[1]] == []


@pytest.mark.slow
def test_of_a_long_table_the_first_lines_are_laid_out_and_all_of_it_is_searched(window: Any, tmp_path: Path) -> None:
    rows = tuple(Row(folder=f"c{n:03}", title=f"c{n:03}", score=1.0, max_score=1.0, cells={}) for n in range(450))
    file = tmp_path / "index.html"
    file.write_text(render_index(Summary("", (), rows, ())), encoding="utf-8")
    page = window.open(file)

    assert len(page.run(IDS)) == 200
    assert page.run("document.getElementById('shown').textContent") == (
        "450 of 450 shown, the first 200 of them are here"
    )
    page.run("document.getElementById('all').click()")
    assert len(page.run(IDS)) == 450
    assert page.run("document.getElementById('more').hidden") is True
    page.run("name_ = document.getElementById('name'); name_.value = 'C44'; "
             "name_.dispatchEvent(new Event('input', {bubbles: true}))")  # fmt: skip
    assert page.run(SHOWN) == [f"c44{n}" for n in range(10)]
    sought = window.open(f"{file.as_uri()}#c-c444")
    assert sought.run("document.querySelector('.sought').getBoundingClientRect().top") < 900
    assert page.complaints() == sought.complaints() == []


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
