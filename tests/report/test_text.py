"""The table for the terminal fits, says what matters, and cannot command the terminal."""

import io
import re
import sys
import unicodedata
from types import ModuleType
from typing import TextIO
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from grader.files.printable import printable
from grader.report import render_html, render_text, terminal
from grader.report.formats import FORMATS
from grader.report.terminal import Paint, coloured, paint_for, plain
from grader.report.words import number
from grader.result.audience import for_audience
from grader.result.record import Audience, Result, Scope, Status


def test_no_line_is_wider_than_80_columns(result: Result) -> None:
    assert [line for line in render_text(result).splitlines() if terminal.width(line) > 80] == []


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


def test_what_is_right_up_to_rounding_is_called_right(samples: ModuleType) -> None:
    """A status of Fixed, and beside it "partly right" and "Failed", would contradict each other."""
    text = render_text(samples.right_up_to_rounding())

    assert "6 of 6 items right, 1 of them not bit for bit.\n" in text
    assert "Right, but not bit for bit:\n    right up to rounding: an operation" in text
    assert "at most 8 ULP of float32 apart" in " ".join(text.split())
    assert "partly" not in text
    assert "Failed" not in text


def test_how_far_the_questions_went_stands_below_each_item(samples: ModuleType) -> None:
    text = render_text(samples.perfect())

    assert "15 of 15\n    tested up to 77 tokens, 17 rows, 5 layers, 123 words, width 34, in eval mode\n" in text


BOASTS = ("Score: 100 of 100", "x" * 79 + " Score: 100 of 100", '": 100 of 100', "a\nScore: 100 of 100", "100/100")


@pytest.mark.parametrize("name", BOASTS, ids=ascii)
def test_a_name_stands_nowhere_where_a_score_is_read(samples: ModuleType, name: str) -> None:
    result = samples.half_done()
    boasting = replace(result, candidate=replace(result.candidate, name=name))
    text = render_text(boasting)
    title = re.search("<title>(.*?)</title>", render_html(boasting), re.DOTALL)
    suites = ElementTree.fromstring(FORMATS["junit"](boasting))

    # Read as it is usually done: the first that looks like a score, or a line that begins like one.
    assert re.findall(r"^ *Score: (.*)$", text, re.MULTILINE) == ["41.66 of 100"]
    for shown in (text, title[1] if title else "", FORMATS["markdown"](boasting).decode()):
        first = re.search(r"(\d[\d.]*) (?:of|/) 100", shown)
        assert first is not None
        assert first[1] == "41.66"
    assert [line for line in text.splitlines() if line.startswith('Candidate: "')]
    assert f"{suites.get('name')}".startswith(f'{result.exercise.title}: "')
    assert suites.findall(".//property")[0].attrib == {"name": "score", "value": "41.66"}
    assert FORMATS["gradescope"](boasting) == FORMATS["gradescope"](result)


def test_full_marks_leave_nothing_to_tell(samples: ModuleType) -> None:
    text = render_text(samples.perfect())

    assert "Full marks: everything that was asked for is right." in text
    assert "Known bugs still in: none" in text
    assert "✗" not in text
    assert text.endswith(
        "\nFollow-up questions, none built: Batches of prompts of different lengths\n"
        "\nNext, if you like: the follow-up Batches of prompts of different lengths.\n"
    )


def test_follow_ups_have_a_table_as_soon_as_one_is_begun(samples: ModuleType) -> None:
    text = render_text(samples.followed_up())

    assert "Follow-up question, beside the points" in text
    assert re.search(r"Several heads +\S+ Partly.* 3 of 5\n", text)
    assert "✗ Batches of prompts" not in text  # nothing is said of what is not begun


def test_how_far_the_questions_went_stands_below_what_was_judged_alone(samples: ModuleType) -> None:
    result = samples.starter()
    *others, unbuilt = result.items
    asked = replace(others[0], scope=Scope(tokens=31, rows=2)), replace(unbuilt, scope=Scope(tokens=32, rows=3))
    shown = replace(result, items=(asked[0], *others[1:], asked[1]))

    assert unbuilt.status is Status.NOT_BUILT
    for text in (render_text(shown), render_html(shown)):
        assert "ested up to 31 tokens, 2 rows" in text
        assert "32 tokens" not in text


def test_bugs_that_are_still_in_are_called_by_their_titles(samples: ModuleType) -> None:
    result = samples.half_done()
    first = result.items[0]
    left = replace(result, remaining_bugs=(first.id, "training-step"), items=(first,))
    named = replace(left, exercise=replace(left.exercise, unasked={"training-step": "Training step"}))

    assert first.id != first.title
    assert f"Known bugs still in: {first.title}, Training step (not asked for)\n" in render_text(named)
    assert f"Known bugs still in: {first.title}, training-step (not asked for)\n" in render_text(
        left
    )  # an older result


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
        ("o" + "\u0301" * 2000 + "k", "o" + "\u0301" * 8 + "k"),
        ("o" + "\u0301\ufe0f\u200b\u0489" * 500 + "k", "o" + "\u0301\u0489" * 4 + "k"),
        ("가" + "\u1161" * 500 + "k", "가" + "\u1161" * 8 + "k"),
        ("\u0301\u0301a\n\u0301b\u0301", "a\nb\u0301"),
        ("a\u115fb\u1160c\u3164d\uffa0e\ufe0ff\u034fg\U000e0101h\u17b5i\u180bj\U0001d159k", "abcdefghijk"),
        ("\u28ff\u2800\u28ff", "\u28ff \u28ff"),
    ],
    ids=ascii,
)
def test_printable_drops_what_a_terminal_obeys(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "na\u00efve caf\u00e9",
        "nai\u0308ve cafe\u0301",
        "Tie\u0302\u0301ng Vie\u0323\u0302t",
        "\u05d1\u05bc\u05b0\u05e8\u05b5\u05d0\u05e9\u05c1\u05b4\u0596\u05d9\u05ea",
        "\u0928\u092e\u0938\u094d\u0924\u0947",
        "\u0e17\u0e35\u0e48\u0e19\u0e35\u0e48",
        "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab\u1100\u116e\u11a8",
        "\U0001f600 \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea 1\u20e3",
        "x\u0302 \u2208 \u211d\u207f, \u2202\u2112/\u2202\u03b8",
    ],
    ids=["composed", "decomposed", "Vietnamese", "Hebrew", "Hindi", "Thai", "Korean", "emoji", "mathematics"],
)
def test_printable_leaves_what_people_write(text: str) -> None:
    assert printable(text) == text
    assert printable(f"{text}\n\t{text}") == f"{text}\n\t{text}"


def test_no_letter_that_is_called_a_filler_or_a_selector_is_shown() -> None:
    names = ("FILLER", "VARIATION SELECTOR", "GRAPHEME JOINER", "INHERENT", "PATTERN BLANK", "NULL NOTEHEAD")
    seen = {
        character: unicodedata.name(character)
        for character in map(chr, range(sys.maxunicode + 1))
        if any(name in unicodedata.name(character, "") for name in names)
        and printable(f"a{character}b") not in ("ab", "a b")
    }

    # Of these, ink is seen.
    assert all("GAP FILLER" in name or "LINE FILLER" in name for name in seen.values()), seen


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
    assert terminal.wrap(text, 9, 2) == lines


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
