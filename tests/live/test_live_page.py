"""What the live page shows of a grade: what a learner may see, what changed, what was printed, which hint is next."""

from collections.abc import Callable
from functools import partial
from types import ModuleType

import pytest
from msgspec.structs import replace

from grader.live.live_page import MOST_LINES, Board, LivePage, Phase
from grader.result.record import CheckResult, Outcome, Result, Role, Status
from grader.submission.read import submission_of

FIRST = submission_of("mine", {"model.py": "a = 1\n", "train.py": "t\n"})
SECOND = submission_of("mine", {"model.py": "a = 2\n", "train.py": "t\n"})


@pytest.fixture
def taken() -> dict[str, int]:
    """How many hints of each item were shown."""
    return {}


@pytest.fixture
def page(taken: dict[str, int]) -> LivePage:
    return LivePage(
        board=Board(),
        command=lambda item: f"grader hint 'my work' {item}",
        when_stopped=("read it",),
        hints=lambda: dict(taken),
        scores=[],
        end=None,
        minutes=None,
    )


@pytest.fixture
def grade(page: LivePage) -> Callable[..., str]:
    """Puts a grade on the page; what then stands beside the report."""

    def run(result: Result, submission: object = FIRST) -> str:
        page.graded(submission, result)  # type: ignore[arg-type]
        return page.board.view.side

    return run


def test_nothing_of_the_reference_is_on_the_page(page: LivePage, samples: ModuleType) -> None:
    for result in (samples.starter(), samples.half_done(), samples.perfect()):
        for show in (partial(page.first_look, FIRST), partial(page.graded, FIRST), page.explained):
            show(result)
            shown = page.board.view.report + page.board.view.side

            assert samples.CANARY not in shown
            assert str(samples.SEED) not in shown
            assert "For learners." in page.board.view.report


def test_a_hostile_text_stays_text(grade: Callable[..., str], page: LivePage, samples: ModuleType) -> None:
    attacked = samples.with_every_text(samples.ATTACK.replace("\ud800", ""))
    check = replace(attacked.items[0].checks[0], output="<script>alert(1)</script>\x1b[2J")
    side = grade(replace(attacked, items=(replace(attacked.items[0], checks=(check,)), *attacked.items[1:])))

    for markup in (side, page.board.view.report):
        assert "<script" not in markup
        assert "<img" not in markup
        assert "\x1b" not in markup


def test_what_changed_since_the_last_save_is_told(grade: Callable[..., str], samples: ModuleType) -> None:
    first = grade(samples.starter())
    second = grade(samples.half_done(), SECOND)

    assert "this is the first grade since" in first
    assert "<del>-a = 1</del>" in second
    assert "<ins>+a = 2</ins>" in second
    assert "Output projection" in second
    assert '<span class="gained">+15</span>' in second


def test_a_first_look_says_that_it_is_one_and_is_no_verdict(page: LivePage, samples: ModuleType) -> None:
    page.graded(FIRST, samples.starter())
    page.first_look(SECOND, samples.perfect())
    first = page.board.view
    page.graded(SECOND, samples.perfect())
    verdict = page.board.view

    assert (first.phase, verdict.phase) == (Phase.COMPARING, Phase.EXPLAINING)
    assert first.title.replace(" so far", "") == verdict.title
    assert " so far: " in first.title
    assert "A first look: all checks are done." in first.side
    assert "A first look" not in verdict.side
    for claim in ("Full marks", "Known bugs still in"):
        assert claim not in first.report
        assert claim in verdict.report
    assert "it is still being compared" in first.report
    for side in (first.side, verdict.side):
        assert '<span class="gained">+15</span>' in side  # since the verdict before, in both
        assert "<ins>+a = 2</ins>" in side
    assert len(page.scores) == 2


def test_what_whole_runs_have_shown_is_kept_by_a_first_look_at_the_same_code(
    page: LivePage, samples: ModuleType
) -> None:
    perfect = samples.perfect()
    item = perfect.items[0]
    unlike = replace(item, status=Status.PARTLY, score=10.0, checks=tuple(map(failing_if_exact, item.checks)))
    page.graded(FIRST, replace(perfect, items=(unlike, *perfect.items[1:]), score=perfect.score - 5))
    page.first_look(SECOND, perfect)
    first = page.board.view

    assert first.title.startswith("95 of 100 so far")
    assert "Nothing changed in the verdict." in first.side


def failing_if_exact(check: CheckResult) -> CheckResult:
    """The same, but that the results are not the solution's."""
    return replace(check, outcome=Outcome.FAILED, score=0) if check.role is Role.EXACT else check


def test_a_first_look_that_is_saved_over_is_given_up(page: LivePage, samples: ModuleType) -> None:
    page.first_look(FIRST, samples.perfect())
    page.grading()

    assert page.board.view.phase is Phase.GRADING
    assert "which was given up for a newer save" in page.board.view.side
    assert "are still being compared" not in page.board.view.side


def test_a_check_that_passes_no_longer_is_named(grade: Callable[..., str], samples: ModuleType) -> None:
    grade(samples.perfect())

    assert "passes no longer: Logits have shape (B, T, V)" in grade(samples.starter(), SECOND)


def test_the_line_of_scores_goes_on_from_earlier_sessions(page: LivePage, samples: ModuleType) -> None:
    page.graded(FIRST, samples.starter())
    alone = page.board.view.side
    page.scores.insert(0, ("10 on Monday", 10.0))
    page.graded(SECOND, samples.half_done())

    assert "<polyline" not in alone
    assert page.board.view.side.count("<circle") == 3
    assert "10 on Monday" in page.board.view.side


def test_what_the_code_printed_stands_beside_the_checks_once(grade: Callable[..., str], samples: ModuleType) -> None:
    def printing(result: Result, *outputs: str) -> Result:
        item = result.items[0]
        checks = [replace(check, output=text) for check, text in zip(item.checks, outputs, strict=False)]
        return replace(result, items=(replace(item, checks=tuple(checks)), *result.items[1:]))

    side = grade(printing(samples.starter(), "same\n", "same\n", "\n".join(map(str, range(MOST_LINES + 7)))))

    assert side.count("same\n".strip()) == 1
    assert "7 more lines stand beside the check" in side
    assert "Nothing." in grade(printing(samples.starter(), "", "", ""), SECOND)


def test_hints_are_shown_as_far_as_they_were_asked_for_and_the_next_is_named(
    grade: Callable[..., str], page: LivePage, taken: dict[str, int], samples: ModuleType
) -> None:
    hints = samples.HINTS
    none = grade(samples.starter())
    taken["masking"] = 1
    page.look()
    one = page.board.view.side
    taken["masking"] = 3
    page.look()
    all_ = page.board.view.side

    assert [text in none for text in hints] == [False, False, False]
    assert "To see hint 1 of 3, type" in none
    assert "grader hint &#39;my work&#39; masking" in none
    assert [text in one for text in hints] == [True, False, False]
    assert "To see hint 2 of 3, type" in one
    assert [text in all_ for text in hints] == [True, True, True]
    assert "All 3 hints were shown." in all_
    assert not any(text in page.board.view.report for text in hints)


def test_looking_changes_nothing_while_there_is_nothing_new(page: LivePage, samples: ModuleType) -> None:
    page.look()
    page.graded(FIRST, samples.starter())
    number = page.board.view.number
    page.look()

    assert page.board.view.number == number


def test_the_phases_of_a_save(page: LivePage, samples: ModuleType) -> None:
    phases = [page.board.view.phase]
    page.grading()
    page.graded(FIRST, samples.starter())
    phases.append(page.board.view.phase)
    page.explained(None)  # saved over meanwhile
    phases.append(page.board.view.phase)
    page.explained(samples.starter())
    phases.append(page.board.view.phase)
    page.waiting("no model.py in 'x'")
    phases.append(page.board.view.phase)

    assert phases == [Phase.GRADING, Phase.EXPLAINING, Phase.EXPLAINING, Phase.GRADED, Phase.WAITING]
    assert page.board.view.note == "no model.py in 'x'"
    assert page.board.view.title == "0 of 100: ada-lovelace"


def test_a_grade_tells_once_that_it_has_begun(page: LivePage) -> None:
    page.grading()
    number = page.board.view.number
    page.grading()

    assert page.board.view.number == number


def test_the_clock_is_on_the_page_where_one_was_set(page: LivePage, samples: ModuleType) -> None:
    page.graded(FIRST, samples.starter())
    without = page.board.view.side
    page.end, page.minutes = 1_800_000_000.0, 90
    page.graded(FIRST, samples.starter())

    assert "Clock" not in without
    assert 'data-end="1800000000.0"' in page.board.view.side
