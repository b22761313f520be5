"""How much a learner is shown is one setting, and nothing that is made of a result says more.

Each kind of text of a result is one word that stands nowhere else, and is looked for in all that a learner can get.
"""

import base64
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Final, TypeVar

import pytest
from msgspec.structs import replace

from grader.live.live_page import Board, LivePage
from grader.report import render_html, render_text
from grader.report.formats import FORMATS
from grader.report.side_by_side import render_change, render_series, render_series_page
from grader.report.text import next_step
from grader.result.audience import for_audience
from grader.result.record import Audience, Feedback, FollowUp, ItemResult, Result, to_json
from grader.result.series import Named, series
from grader.submission.read import submission_of

Part = TypeVar("Part", ItemResult, FollowUp)

# What belongs to which level, as the word that stands for it.
WORDS: Final = {
    Feedback.ITEMS: ("itemtitle", "followuptitle"),
    Feedback.EVIDENCE: (
        "checkid", "checktitle", "qmessage", "reasonwhy", "qprinted", "claimed", "seenit", "snippet", "frames",
        "summed", "loadreason", "exhibitnote",
    ),
    Feedback.HINTS: ("hinttext", "qcauses"),
}  # fmt: skip


def marked(result: Result) -> Result:
    """The result with a word for each kind of text; what is hidden from learners is not looked at here."""

    def part(each: Part, title: str) -> Part:
        checks = tuple(
            replace(
                check,
                id=f"checkid{number}",
                title="checktitle",
                message="qmessage",
                why="reasonwhy",
                usual_causes=("qcauses",),
                output="qprinted",
                counterexample=replace(
                    check.counterexample, claim="claimed", seen="seenit", snippet="snippet", traceback="frames"
                )
                if check.counterexample is not None
                else None,
            )
            for number, check in enumerate(each.checks)
        )
        return replace(each, title=title, summary="summed", checks=checks, hints=("hinttext",) * 3)

    training = result.exhibits.training
    assert training is not None
    return replace(
        result,
        items=tuple(part(item, "itemtitle") for item in result.items),
        followups=tuple(part(each, "followuptitle") for each in result.followups),
        exhibits=replace(result.exhibits, training=replace(training, note="exhibitnote")),
        load_faults=tuple(replace(fault, reason="loadreason") for fault in result.load_faults),
    )


def unstyled(page: str) -> str:
    """The page without its stylesheet, whose words are not the result's."""
    return re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)


def outputs(result: Result, before: Result) -> Iterator[tuple[str, str]]:
    """All that is made of a learner's result, by what it is."""
    yield "json", to_json(result).decode()
    yield "html", unstyled(render_html(result))
    yield "terminal", render_text(result, hint=lambda item: f"grader hint . {item}")
    yield "next", next_step(result, lambda item: f"grader hint . {item}")
    yield "change", render_change(["model.py"], before, result)
    for name, render in FORMATS.items():
        data = render(result)
        yield name, (base64.b64decode(data) if name == "classroom" else data).decode()
    found = series([Named("before", before), Named("now", result)])
    yield (
        "compare",
        render_series(found) + re.sub(r"<style>.*?</style>", "", render_series_page(found), flags=re.DOTALL),
    )
    page = LivePage(Board(), None, (), dict, [], None, None, feedback=result.feedback)
    for each in (before, result):
        page.graded(submission_of("x", {"model.py": "x"}), each)
    page.explained(result)
    yield "live", page.board.view.side + page.board.view.report + page.board.view.title


@pytest.fixture
def shown(samples: ModuleType) -> Callable[[Feedback], dict[str, str]]:
    """``shown(level)``: what a learner gets of a grade, and of one before it, at that level."""
    before, now = (
        marked(samples.starter()),
        marked(replace(samples.half_done(), followups=samples.followed_up().followups)),
    )

    def at(level: Feedback) -> dict[str, str]:
        learners = [for_audience(each, Audience.LEARNER, level) for each in (now, before)]
        return dict(outputs(*learners))

    return at


@pytest.mark.parametrize("level", Feedback)
def test_nothing_beyond_the_level_is_in_any_output(level: Feedback, shown: Callable[..., dict[str, str]]) -> None:
    beyond = [word for of, words in WORDS.items() if not level.includes(of) for word in words]
    # An item that could not be judged is named with the score alone: its points are no part of it.
    beyond = [word for word in beyond if word != "itemtitle"]

    assert [(name, word) for name, text in shown(level).items() for word in beyond if word in text] == []


def test_what_is_looked_for_is_there_where_all_is_shown(shown: Callable[..., dict[str, str]]) -> None:
    texts = shown(Feedback.HINTS)
    words = {word for of in WORDS.values() for word in of}

    assert {word for word in words if word in texts["json"]} == words
    assert {word for word in words if word in texts["html"]} >= words - {"qmessage", "summed", "loadreason"}
    assert all(
        "itemtitle" in texts[name] for name in ("terminal", "junit", "gradescope", "markdown", "live", "compare")
    )


@pytest.mark.parametrize("level", [Feedback.SCORE, Feedback.ITEMS])
def test_the_score_is_in_every_output_and_what_is_withheld_is_said(
    level: Feedback, shown: Callable[..., dict[str, str]]
) -> None:
    texts = shown(level)

    for name in ("json", "html", "terminal", "change", "junit", "gradescope", "markdown", "live"):
        assert "41.66" in texts[name], name
    for name in ("html", "gradescope", "markdown", "live"):
        assert "This exercise shows the s" in texts[name], name
    assert "All that was asked for is right" not in "".join(texts.values())
    assert "No item was graded" not in "".join(texts.values())


def test_items_without_checks_keep_their_status_and_points_in_formats_that_know_checks_alone(
    samples: ModuleType,
) -> None:
    result = for_audience(samples.half_done(), Audience.LEARNER, Feedback.ITEMS)
    junit = FORMATS["junit"](result).decode()

    for item in result.items:
        assert f'name="{item.id}: {item.title}"' in junit
    assert junit.count("<failure") == sum(item.score < item.max_score and item.max_score > 0 for item in result.items)


def test_code_that_does_not_run_is_still_shown_where_it_stops(samples: ModuleType) -> None:
    result = for_audience(samples.half_done(), Audience.LEARNER, Feedback.SCORE)

    assert "train.py, line 12" in render_text(result)
    assert "no data" not in render_text(result).replace('raise RuntimeError("no data")', "")
