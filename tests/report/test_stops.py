"""Code that does not run is told once, at the top, in every format; below it stands what waits for it, and no more."""

import base64
import json
from types import ModuleType
from typing import TypeVar
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from grader.cohort.row import Row
from grader.cohort.summary import Summary
from grader.cohort.table import render_table
from grader.report import render_html, render_text
from grader.report.formats import FORMATS
from grader.report.side_by_side import render_change
from grader.report.verdict import stops
from grader.result.record import FollowUp, ItemResult, LoadFault, Outcome, Place, Result, Status

Part = TypeVar("Part", ItemResult, FollowUp)

LINE = "    def causal_mask(T: int,, device):"
PLACE = Place(file="model.py", line=12, column=28, source=LINE)
FAULT = LoadFault(file="model.py", reason="SyntaxError: invalid syntax", place=PLACE, stack=(PLACE,))
HEADLINE = "model.py, line 12: SyntaxError: invalid syntax"
NO_CLASS = LoadFault(file="model.py", reason="model.py has no class GPT")
ABSENT = LoadFault(file="train.py", reason="there is no train.py")


@pytest.fixture
def stopped(samples: ModuleType) -> Result:
    """A model.py that cannot be read, and so nothing that can be told."""
    result: Result = samples.starter()
    items = tuple(waiting(item) for item in result.items)
    asked = replace(result, items=items, score=0, remaining_bugs=None, load_faults=(FAULT,), followups=())
    return replace(asked, followups=tuple(waiting(each) for each in samples.followed_up().followups))


def waiting(part: Part) -> Part:
    """The same of which nothing can be told before model.py runs."""
    summary = "It cannot be judged before model.py runs."
    checks = tuple(
        replace(
            check, outcome=Outcome.BLOCKED, score=0, message="cannot be judged before model.py runs",
            counterexample=None, blocked_by=(), unbuilt=False, output="",
        )
        for check in part.checks
    )  # fmt: skip
    return replace(part, status=Status.WAITS, score=0, max_score=15, checks=checks, summary=summary)


def decoded(format_: str, result: Result) -> str:
    text = FORMATS[format_](result).decode()
    return base64.b64decode(text).decode() if format_ == "classroom" else text


def test_the_terminal_says_it_once_with_the_line_and_a_caret(stopped: Result) -> None:
    text = render_text(stopped)

    assert f"\nDoes not run: {HEADLINE}\n    def causal_mask(T: int,, device):\n                           ^\n" in text
    assert "model.py does not run, so nothing could be graded." in text
    assert (text.count("invalid syntax"), text.count("⊘ Waits")) == (1, 6)
    assert text.rstrip().endswith("⊘ Waits                  0 of 15\n\nNext: make model.py run.")  # nothing between
    assert "Follow-up" not in text


def test_watch_says_it_in_place_of_a_reason_for_each_item(stopped: Result, samples: ModuleType) -> None:
    text = render_change(("model.py",), samples.starter(), stopped)

    assert f"\n  Does not run: {HEADLINE}\n      def causal_mask(T: int,, device):\n" in text
    assert (text.count("⊘ "), text.count("cannot be judged")) == (6, 0)


def test_the_page_has_it_before_everything_and_no_item_below_the_table(stopped: Result) -> None:
    page = render_html(stopped)
    before, _, after = page.partition(HEADLINE)

    assert ("At a glance" in before, "At a glance" in after) == (False, True)
    assert page.count("invalid syntax") == 1
    assert 'id="item-' not in page
    assert 'href="#item-' not in page
    assert 'id="followups"' not in page


@pytest.mark.parametrize("format_", sorted(FORMATS))
def test_every_format_has_the_headline_before_the_first_item(format_: str, stopped: Result) -> None:
    text = decoded(format_, stopped)
    text = text.replace("&#58;", ":")
    first_item = stopped.items[0].checks[0].id if format_ == "check50" else stopped.items[0].title

    assert HEADLINE in text
    assert text.index(HEADLINE) < text.index(first_item)


def test_gradescope_and_markdown_say_of_each_item_that_it_waits_and_nothing_else(stopped: Result) -> None:
    tests = json.loads(decoded("gradescope", stopped))["tests"]
    markdown = decoded("markdown", stopped)

    waits = "⊘ Waits. It cannot be judged before model.py runs."
    assert {test["output"] for test in tests if not test["number"].startswith("F")} == {waits}
    assert markdown.count("⊘ Waits | 0 of 15 | It cannot be judged before model.py runs. |") >= 6
    assert "<details>" not in markdown


def test_junit_has_an_error_for_it_and_skips_the_rest(stopped: Result) -> None:
    suite = ElementTree.fromstring(decoded("junit", stopped))
    first, *others = suite.iter("testcase")

    assert (first.get("classname"), first.get("name")) == ("Does not run", "model.py can be run")
    assert [child.tag for child in first] == ["error"]
    assert {child.tag for case in others for child in case} == {"skipped"}
    assert suite.get("errors") == "1"


def test_classroom_has_a_test_for_it_that_names_file_and_line(stopped: Result) -> None:
    told = json.loads(decoded("classroom", stopped))
    first, *others = told["tests"]

    assert (first["filename"], first["line_no"], first["status"], first["score"]) == ("model.py", 12, "error", 0)
    assert {(test["status"], test["message"]) for test in others} == {
        ("error", "Waits: It cannot be judged before model.py runs.")
    }
    assert told["status"] == "fail"


def test_check50_skips_all_that_depends_on_it(stopped: Result) -> None:
    first, *others = json.loads(decoded("check50", stopped))["results"]

    assert (first["name"], first["passed"], first["cause"]["rationale"]) == ("model-runs", False, HEADLINE)
    assert {(check["passed"], check["dependency"]) for check in others} == {(None, "model-runs")}


def test_a_cohort_has_it_as_a_remark(stopped: Result) -> None:
    row = Row.of("emil", "emil", stopped, "")
    summary = Summary(exercise="E", items=(("masking", "M"),), rows=(row,), pairs=())

    assert row.remark.startswith(f"Does not run: {HEADLINE}")
    assert row.reason == ""
    assert (summary.unread, summary.unjudged) == ((), ())
    assert f"Does not run: {HEADLINE}" in render_table(summary).decode("utf-8-sig")


def test_a_file_that_needs_one_that_does_not_run_is_not_told_by_itself(stopped: Result) -> None:
    [stop] = stops(replace(stopped, load_faults=(FAULT, replace(FAULT, file="train.py"))))

    assert stop.files == ("model.py", "train.py")
    assert stop.waits.startswith("What needs model.py waits until it runs, and so does train.py, which needs it.")


def test_two_faults_are_two(stopped: Result) -> None:
    other = replace(FAULT, file="train.py", place=replace(PLACE, file="train.py"), reason="NameError: no")

    assert [stop.headline for stop in stops(replace(stopped, load_faults=(FAULT, other)))] == [
        HEADLINE, "train.py, line 12: NameError: no",
    ]  # fmt: skip


def test_what_waits_is_not_called_what_no_longer_passes(samples: ModuleType, stopped: Result) -> None:
    text = render_change(("model.py",), samples.perfect(), stopped)

    assert "Waits" in text
    assert "no longer" not in text


@pytest.mark.parametrize(
    ("fault", "headline"),
    [
        pytest.param(NO_CLASS, "model.py has no class GPT", id="no-class"),
        pytest.param(ABSENT, "there is no train.py", id="absent"),
        pytest.param(
            LoadFault(file="train.py", reason="train.py line 4 imports tqdm", place=Place(file="train.py", line=4)),
            "train.py line 4 imports tqdm", id="said-by-the-reason",
        ),
        pytest.param(
            LoadFault(file="model.py", reason="E: x", place=Place(file="parts.py", line=4, function="split")),
            "parts.py, line 4, in split: E: x", id="beside",
        ),
    ],
)  # fmt: skip
def test_the_place_is_said_once(fault: LoadFault, headline: str, stopped: Result) -> None:
    assert [stop.headline for stop in stops(replace(stopped, load_faults=(fault,)))] == [headline]


def test_what_calls_itself_without_end_is_told_once(stopped: Result) -> None:
    again = Place(file="model.py", line=9, source="    self.forward(tokens)")
    fault = replace(FAULT, stack=(again, again, again, PLACE))

    assert [stop.came_from for stop in stops(replace(stopped, load_faults=(fault,)))] == [
        ("model.py, line 9: self.forward(tokens)",)
    ]


def test_what_it_quotes_stands_nowhere_where_a_score_is_read(stopped: Result) -> None:
    boast = replace(FAULT, reason="RuntimeError: " + "x" * 50 + " Score: 100 of 100", place=None)
    lines = render_text(replace(stopped, load_faults=(boast,))).splitlines()

    assert [line for line in lines if line.startswith("Score")] == ["Score: 0 of 100"]
