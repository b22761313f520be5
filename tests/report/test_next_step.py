"""The last line of a grade says what to do next, and how to ask for a hint where there is one."""

from collections.abc import Callable
from types import ModuleType

import pytest
from msgspec.structs import replace

from grader.report import render_text, terminal
from grader.report.text import next_step
from grader.result.record import FollowUp, LoadFault, Result, Status


def hint(item: str) -> str:
    return f"grader hint . {item}"


def last_line(result: Result) -> str:
    return render_text(result, hint=hint).splitlines()[-1]


def test_with_bugs_left_it_is_the_first_that_was_seen_with_its_hint(samples: ModuleType) -> None:
    result = samples.starter()

    assert last_line(result) == f"Next: {result.items[0].title}. For a hint: grader hint . {result.items[0].id}"


def test_what_has_no_hints_is_named_without_a_command(samples: ModuleType) -> None:
    result = samples.starter()
    without = replace(result, items=tuple(replace(item, hints=()) for item in result.items))

    assert last_line(without) == f"Next: {result.items[0].title}."


def test_an_archive_has_no_workspace_to_count_hints_in(samples: ModuleType) -> None:
    result = samples.starter()

    assert next_step(result) == f"Next: {result.items[0].title}."


def test_code_that_does_not_run_comes_before_everything(samples: ModuleType) -> None:
    stopped = replace(samples.starter(), load_faults=(LoadFault(file="train.py", reason="SyntaxError: bad"),))

    assert last_line(stopped) == "Next: make train.py run. For a hint: grader hint . does-not-run"


def test_what_is_right_but_for_bits_gets_no_hint(samples: ModuleType) -> None:
    said = last_line(samples.right_up_to_rounding())

    assert said.endswith(", whose bits alone differ: see above where.")
    assert "grader hint" not in said


def test_what_could_not_be_judged_is_not_for_the_learner_to_fix(samples: ModuleType) -> None:
    result = samples.starter()
    ours = replace(result, items=tuple(replace(item, status=Status.NOT_JUDGED) for item in result.items))

    assert "grader doctor" in last_line(ours)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda result: replace(result, followups=()), "Next: nothing. All that was asked", id="no-more"),
        pytest.param(
            lambda result: replace(
                result,
                followups=(
                    FollowUp(id="heads", title="Heads", status=Status.NOT_BUILT, score=0, max_score=10, summary=""),
                ),
            ),
            "Next, if you like: the follow-up Heads.",
            id="followup",
        ),
    ],
)
def test_with_all_points_there_are_follow_ups_or_nothing(
    samples: ModuleType, change: Callable[[Result], Result], said: str
) -> None:
    assert last_line(change(samples.perfect())).startswith(said)


def test_it_is_one_line_of_at_most_80_columns_and_a_command_is_never_cut(result: Result) -> None:
    long = "x" * 200
    titled = replace(result, items=tuple(replace(item, title=long) for item in result.items))

    assert terminal.width(next_step(titled)) <= 80
    assert "\n" not in next_step(titled, hint)
    asked = next_step(titled, lambda _: f"grader hint {long}").partition(" For a hint: ")[2]
    assert asked in ("", f"grader hint {long}")
