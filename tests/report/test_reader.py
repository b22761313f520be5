"""What a reader sees and can do: the report in a real browser, on screens, on paper, by keyboard, with axe looking."""

import importlib.util
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from msgspec.structs import replace

from grader.exercise.model import StoredExercise
from grader.report import render_html
from grader.result.audience import for_audience
from grader.result.record import Audience, Result


def beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"report_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DRIVER = beside("browser")
AXE = importlib.util.find_spec("axe_core_python")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(DRIVER.CHROMIUM is None, reason="no Chromium on this machine"),
]
HIGHEST = 5000  # pixels, of the starter's report
WIDTHS = (360, 768, 1440)
OPEN_ALL = "document.querySelectorAll('details').forEach(details => { details.open = true })"
CLOSE_ALL = "document.querySelectorAll('details').forEach(details => { details.open = false })"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with DRIVER.Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def files(samples: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The samples as files; ``learner`` is the half-done one as its author sees it."""
    folder = tmp_path_factory.mktemp("pages")
    results = {name: getattr(samples, name)() for name in ("starter", "perfect", "hostile")}
    results["half_done"] = samples.followed_up()
    results["learner"] = for_audience(results["half_done"], Audience.LEARNER)
    written = {}
    for name, result in results.items():
        written[name] = folder / f"{name}.html"
        written[name].write_text(render_html(result), "utf-8")
    return written


def test_the_report_of_the_starter_is_no_longer_than_it_has_to_be(
    browser: Any, grade_files: Callable[..., Result], exercise: StoredExercise, tmp_path: Path
) -> None:
    """A grade, as no sample is: what stands in a sample is not what a grade finds, nor how much of it there is."""
    file = tmp_path / "starter.html"
    file.write_text(render_html(grade_files(exercise.starter(), seed=1)), "utf-8")
    page = browser.open(file, width=1440)

    assert page.run("document.documentElement.scrollHeight") <= HIGHEST


CONTENTS = "document.querySelector('.contents')"


def test_the_contents_stay_in_sight_where_there_is_room_beside_the_text(browser: Any, files: dict[str, Path]) -> None:
    page = browser.open(files["starter"], width=1440)
    page.run("scrollTo(0, 3000)")
    top, left = page.run(f"(r => [r.top, r.left])({CONTENTS}.getBoundingClientRect())")
    right = page.run("document.querySelector('main').getBoundingClientRect().right")

    assert top == 0
    assert left >= right
    page.look(width=768)
    assert page.run(f"getComputedStyle({CONTENTS}).display") == "none"


def test_a_link_to_a_check_unfolds_it_and_stands_on_it(browser: Any, files: dict[str, Path]) -> None:
    page = browser.open(files["half_done"], width=1440)
    links = page.run("[...document.querySelectorAll('.permalink:has(+ .check)')].map(a => a.getAttribute('href'))")
    target = "document.querySelector(location.hash.replaceAll('.', '\\\\.'))"
    seen = []
    for link in links:
        page.run(f"location.hash = {json.dumps(link)}")
        seen.append(page.run(f"new Promise(done => requestAnimationFrame(() => done({target}.checkVisibility())))"))

    assert len(links) == len(set(links)) > 10
    assert all(seen)


def test_a_click_on_a_link_to_a_check_does_not_fold_it(browser: Any, files: dict[str, Path]) -> None:
    page = browser.open(files["starter"], width=1440)
    check = "document.querySelector('.check[open]')"
    page.run(f"{check}.previousElementSibling.click()")

    assert page.run("location.hash.length > 1")
    assert page.run(f"{check}.open")


@pytest.mark.parametrize(
    "name",
    ["starter", pytest.param("half_done", marks=pytest.mark.smoke("page")), "perfect", "hostile", "learner"],
)
def test_nothing_sticks_out_at_any_width_and_nothing_is_asked_for_or_complained_about(
    name: str, browser: Any, files: dict[str, Path]
) -> None:
    page = browser.open(files[name])
    page.run(OPEN_ALL)
    needed = {}
    for width in WIDTHS:
        for dark in (False, True):
            page.look(width=width, dark=dark)
            needed[width, dark] = page.run("document.documentElement.scrollWidth")

    assert {key: at_most for key, at_most in needed.items() if at_most > key[0]} == {}
    assert page.complaints() == []
    assert page.requests() == [files[name].as_uri()]


def test_a_snippet_is_shown_to_its_last_line_and_what_is_wider_than_the_screen_lies_under_a_shade(
    browser: Any, files: dict[str, Path], tmp_path: Path
) -> None:
    long = tmp_path / "long.html"
    long.write_text(files["starter"].read_text("utf-8").replace("import torch\n", "import torch\n" * 60), "utf-8")
    page = browser.open(long, width=360)
    page.run(OPEN_ALL)
    frame = "document.querySelector('pre.whole')"

    assert page.run(f"{frame}.scrollHeight <= {frame}.clientHeight")
    assert page.run(f"{frame}.scrollWidth > {frame}.clientWidth")
    assert page.run(f"getComputedStyle({frame}).backgroundAttachment").count("local") == 4
    assert page.run(f"getComputedStyle({frame}).backgroundImage").count("linear-gradient") == 8


@pytest.mark.parametrize("width", [1000, 1440])
def test_a_picture_that_is_alone_has_its_words_beside_it_and_no_hole(
    width: int, browser: Any, samples: ModuleType, tmp_path: Path
) -> None:
    result = samples.starter()
    exhibits = replace(result.exhibits, flops=None, cache=None, ulps=None)
    (tmp_path / "one.html").write_text(render_html(replace(result, exhibits=exhibits)), "utf-8")
    page = browser.open(tmp_path / "one.html", width=width)
    picture, words = (
        page.run(f"document.querySelector('.figures {part}').getBoundingClientRect().toJSON()")
        for part in ("svg.figure", "figcaption")
    )

    assert picture["right"] <= words["left"]
    assert abs(picture["top"] - words["top"]) < 30


def test_a_request_and_a_blocked_style_would_be_noticed(browser: Any, files: dict[str, Path], tmp_path: Path) -> None:
    spoiled = tmp_path / "spoiled.html"
    markup = files["perfect"].read_text("utf-8").replace("<main>", '<main style="width: 3000px">', 1)
    spoiled.write_text(re.sub("default-src[^;]*;", "", markup).replace("<h2", "<img src=x.png><h2", 1), "utf-8")
    page = browser.open(spoiled)

    assert "Content Security Policy" in "".join(page.complaints())
    assert page.requests() == [spoiled.as_uri(), spoiled.with_name("x.png").as_uri()]


def test_the_page_is_dark_for_who_prefers_that_and_white_on_paper(browser: Any, files: dict[str, Path]) -> None:
    page = browser.open(files["half_done"])
    grounds = []
    for dark, media in ((False, ""), (True, ""), (True, "print")):
        page.look(width=1440, dark=dark, media=media)
        colour = page.run("getComputedStyle(document.body).backgroundColor")
        grounds.append(sum(map(int, re.findall(r"\d+", colour)[:3])) / 3)

    light, night, paper = grounds
    assert night < 40 < 200 < light < paper == 255


VISIBLE = """[...document.querySelectorAll(%s)].filter(e => !e.checkVisibility()).map(e => e.textContent.trim())"""
CUT = """[...document.querySelectorAll("*")].filter(e => e.checkVisibility() && !e.closest("svg, .spoken")
    && getComputedStyle(e).overflow != "visible" && (e.scrollHeight > e.clientHeight + 1
    || e.scrollWidth > e.clientWidth + 1)).map(e => e.outerHTML.slice(0, 200))"""


@pytest.mark.parametrize("name", ["half_done", "hostile", "learner"])
def test_on_paper_all_but_the_hints_and_what_passed_is_unfolded_and_nothing_is_cut_off(
    name: str, browser: Any, files: dict[str, Path]
) -> None:
    page = browser.open(files[name])
    page.run(CLOSE_ALL)
    page.look(width=700, media="print")

    assert (
        page.run(
            VISIBLE % json.dumps("main :is(h3, h4, pre, table, figure, p, li):not(.hint *, .check.good > .body *)")
        )
        == []
    )
    hidden = page.run(VISIBLE % json.dumps(".hint > p:not(.label)"))
    assert len(hidden) == page.run("document.querySelectorAll('.hint > p:not(.label)').length") > 0
    assert page.run(CUT) == []
    assert page.run("document.documentElement.scrollWidth") <= 700
    assert page.printed().startswith(b"%PDF-")


FOCUSED = "(e => e == document.body ? '' : `${e.tagName} ${[...document.querySelectorAll('*')].indexOf(e)}`)"
FOCUSED += "(document.activeElement)"
FOLDED = "document.activeElement.matches('details:not([open]) > summary')"


def test_the_keyboard_alone_unfolds_everything_and_reaches_every_link_and_region(
    browser: Any, files: dict[str, Path]
) -> None:
    page = browser.open(files["learner"])
    page.run(CLOSE_ALL)
    reached = []
    page.press("Tab", 9)
    while (focused := page.run(FOCUSED)) and focused not in reached:
        reached.append(focused)
        if page.run(FOLDED):
            page.press("Enter", 13, "\r")
        page.press("Tab", 9)
    waiting = "[...document.querySelectorAll('a, summary, [tabindex]')].length"

    assert page.run("document.querySelectorAll('details:not([open])').length") == 0
    assert page.run(waiting) == len(reached) > 40


def test_enter_folds_what_it_has_unfolded(browser: Any, files: dict[str, Path]) -> None:
    page = browser.open(files["learner"])
    page.run("document.querySelector('.hint > summary').focus()")
    states = []
    for _ in range(2):
        page.press("Enter", 13, "\r")
        states.append(page.run("document.querySelector('.hint').open"))

    assert states == [True, False]


def test_hints_unfold_one_inside_the_other_and_the_causes_come_with_the_last(
    browser: Any, files: dict[str, Path]
) -> None:
    page = browser.open(files["learner"])
    seen = []
    for number in range(3):
        page.run(f"document.querySelectorAll('.hint')[{number}].open = true")
        seen.append(
            page.run("[...document.querySelectorAll('.hint :is(p, li)')].filter(e => e.checkVisibility()).length")
        )

    assert seen == [1, 2, 3 + 1 + 2]  # the third with a heading and two causes
    assert page.run("[...document.querySelectorAll('summary')].filter(e => e.innerText == 'Usual causes').length") == 0


@pytest.mark.skipif(AXE is None, reason="axe-core-python is not installed")
@pytest.mark.parametrize("name", ["starter", "half_done", "learner", "hostile"])
def test_axe_finds_nothing_that_keeps_anybody_from_reading(name: str, browser: Any, files: dict[str, Path]) -> None:
    page = browser.open(files[name])
    page.run(OPEN_ALL)
    page.run(axe_source())
    found = {}
    for width, dark in ((1440, False), (360, True)):
        page.look(width=width, dark=dark)
        violations = page.run("axe.run({resultTypes: ['violations']}).then(found => found.violations)")
        found[width] = [(v["id"], n["html"][:160], n["failureSummary"]) for v in violations for n in v["nodes"]]

    assert found == {1440: [], 360: []}


@pytest.mark.skipif(AXE is None, reason="axe-core-python is not installed")
def test_axe_would_tell_of_faint_text_a_button_without_a_name_and_a_page_without_a_language(
    browser: Any, files: dict[str, Path], tmp_path: Path
) -> None:
    spoiled = tmp_path / "spoiled.html"
    markup = files["perfect"].read_text("utf-8").replace('lang="en"', "", 1)
    spoiled.write_text(markup.replace("<main>", '<main><p id="faint">faint</p><button></button>', 1), "utf-8")
    page = browser.open(spoiled)
    page.run("document.getElementById('faint').style.color = '#eee'")
    page.run(axe_source())
    violations = page.run("axe.run({resultTypes: ['violations']}).then(found => found.violations)")

    assert {"html-has-lang", "button-name", "color-contrast"} <= {violation["id"] for violation in violations}


def axe_source() -> str:
    assert AXE is not None
    assert AXE.origin is not None
    return Path(AXE.origin).with_name("axe.min.js").read_text("utf-8")
