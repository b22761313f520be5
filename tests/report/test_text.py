"""The table for the terminal fits, says what matters, and cannot command the terminal."""

import io
import re
from types import ModuleType
from typing import TextIO

import pytest
from msgspec.structs import replace

from grader.audience import for_audience
from grader.printable import printable
from grader.record import Audience, Result
from grader.report import columns, render_text
from grader.report.paint import Paint, coloured, paint_for, plain
from grader.report.words import number


def test_no_line_is_wider_than_80_columns(result: Result) -> None:
    assert [line for line in render_text(result).splitlines() if columns.width(line) > 80] == []


def test_nothing_in_it_commands_a_terminal(result: Result) -> None:
    text = render_text(result)

    assert [c for c in text if not c.isprintable() and c != "\n"] == []


def test_nothing_of_the_reference_is_in_it(samples: ModuleType, result: Result) -> None:
    assert samples.CANARY not in render_text(for_audience(result, Audience.LEARNER))


def test_it_names_what_each_unfinished_item_stumbles_over(samples: ModuleType) -> None:
    text = render_text(samples.half_done())

    assert (
        "Score: 41.66 of 100\n2 of 6 items right, 1 partly right, 2 wrong or missing, 1 could not be judged.\n" in text
    )
    assert "✗ Positional addition\n  Failed: The same token at two positions" in text
    assert "    Rows 0 and 1 are equal: 0.4181 -1.2092 0.4181 -1.2092\n" in text
    assert "Output projection" not in text.partition("Total")[2]


def test_how_far_the_questions_went_stands_below_each_item(samples: ModuleType) -> None:
    text = render_text(samples.perfect())

    assert "15 of 15\n    asked up to 77 tokens, 17 rows, 5 layers, 123 words, width 34, in eval mode\n" in text


def test_full_marks_leave_nothing_to_tell(samples: ModuleType) -> None:
    text = render_text(samples.perfect())

    assert "Full marks: everything that was asked for is right." in text
    assert "Known bugs still in: none" in text
    assert "✗" not in text
    assert text.endswith("\nFollow-up questions, none built: Batches of prompts of different lengths\n")


def test_follow_ups_have_a_table_as_soon_as_one_is_begun(samples: ModuleType) -> None:
    text = render_text(samples.followed_up())

    assert "Follow-up question, beside the points" in text
    assert re.search(r"Several heads +\S+ Partly.* 3 of 5\n", text)
    assert "✗ Batches of prompts" not in text  # nothing is said of what nobody has begun


def test_bugs_that_are_still_in_are_called_by_their_titles(samples: ModuleType) -> None:
    result = samples.half_done()
    first = result.items[0]
    left = replace(result, remaining_bugs=(first.id, "not-asked-for"))

    assert first.id != first.title
    assert f"Known bugs still in: {first.title}, not-asked-for\n" in render_text(left)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;link\x1b\\text", "text"),
        ("\x1b]0;never closed", "0;never closed"),
        ("\x1b[\x1b[31m31mtwice", "31mtwice"),
        ("\x1bcreset", "reset"),
        ("10%\r20%\r\n", "10%\n20%\n"),
        ("\x9d0;title\x9cafter", "after"),
        ("\x9d\x9d0;title\x9cafter", "after"),
        ("a\u202eb\u2066c\u200bd\ufeff", "abcd"),
        ("no\u00a0break\u2028line", "no break line"),
        ("\x00\x07\x7f\ud800é漢", "é漢"),
    ],
    ids=ascii,
)
def test_printable_drops_what_a_terminal_obeys(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("start", ["\x9d", "\x1b]", "\x9b", "\x1b[", "\x1b", "\x90\x9b0"], ids=ascii)
def test_many_beginnings_without_an_end_take_no_longer_than_other_text(start: str) -> None:
    # If each looked for its end among all that follow, this would take minutes.
    assert set(printable(start * 300_000)) <= set(start)


def test_what_was_left_out_of_a_submission_is_told_up_to_a_limit(samples: ModuleType) -> None:
    result = samples.half_done()
    notes = tuple(f"helper{number}.py was not read: it is a symbolic link" for number in range(8))
    text = render_text(replace(result, candidate=replace(result.candidate, notes=notes)))

    assert "Note: helper4.py was not read: it is a symbolic link\nNote: there are 3 more; the report has them\n" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (15.0, "15"),
        (41.666, "41.66"),
        (99.999, "99.99"),
        (0.1 + 0.2, "0.3"),
        (2.5, "2.5"),
        (float("nan"), "?"),
    ],
    ids=str,
)
def test_points_are_never_rounded_up(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("one two three", ["one two", "three"]),
        ("one two three four five", ["one two", "three…"]),
        ("abcdefghijklmnopqrstuvwxyz", ["abcdefghi", "jklmnopq…"]),
        ("漢字漢字漢字", ["漢字漢字", "漢字"]),
    ],
    ids=ascii,
)
def test_wrapped_text_fits_and_says_when_there_was_more(text: str, lines: list[str]) -> None:
    assert columns.wrap(text, 9, 2) == lines


# Colours


def test_colours_change_nothing_but_the_colour(result: Result) -> None:
    painted = render_text(result, coloured)

    assert re.sub(r"\x1b\[(3[1236]|0)m", "", painted) == render_text(result)
    assert (painted != render_text(result)) == bool(result.items)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        pytest.param(Terminal(), {"TERM": "xterm"}, coloured, id="terminal"),
        pytest.param(Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, coloured, id="NO_COLOR-empty"),
        pytest.param(Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, plain, id="NO_COLOR"),
        pytest.param(Terminal(), {"TERM": "dumb"}, plain, id="dumb"),
        pytest.param(io.StringIO(), {"TERM": "xterm"}, plain, id="file"),
    ],
)
def test_colours_go_only_where_they_are_wanted(
    stream: TextIO, environment: dict[str, str], expected: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert paint_for(stream) is expected


@pytest.mark.parametrize("message", ["::stop-commands::x", "  ::add-mask::0", "##[error]no", "a " * 60 + "::debug::x"])
def test_no_line_is_a_command_to_a_log(message: str, samples: ModuleType) -> None:
    result = samples.starter()
    check = replace(result.items[0].checks[0], counterexample=None, message=message)
    result = replace(result, items=(replace(result.items[0], checks=(check,)),))
    lines = render_text(result).splitlines()

    assert [line for line in lines if line.lstrip().startswith("::") or "##[" in line] == []
    assert len(lines) > 8
