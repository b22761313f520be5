"""What holds for every format: it is valid whatever is in the result, gives nothing away, and brings nothing heavy."""

import base64
import subprocess
import sys
from types import ModuleType

import pytest

from grader.cli import options
from grader.report.formats import FORMATS
from grader.report.formats.plain import distinct, line
from grader.result.audience import for_audience
from grader.result.record import Audience, Result

SHOWN_TO_LEARNERS = ("gradescope", "classroom", "check50")
formats = pytest.mark.parametrize("name", FORMATS)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "markdown"])
@pytest.mark.parametrize("audience", Audience)
def test_every_result_is_valid_by_the_published_schema(
    name: str, audience: Audience, result: Result, published: ModuleType
) -> None:
    data = FORMATS[name](for_audience(result, audience))

    assert published.problems(name, data) == []


@formats
def test_a_learner_sees_no_seed_and_nothing_of_the_reference(name: str, samples: ModuleType, result: Result) -> None:
    text = decoded(name, FORMATS[name](for_audience(result, Audience.LEARNER)))

    assert [word for word in (samples.CANARY, str(samples.SEED)) if word in text] == []


@pytest.mark.parametrize("name", SHOWN_TO_LEARNERS)
def test_what_learners_are_shown_is_the_learners_view_for_whomever_it_is_written(name: str, result: Result) -> None:
    assert FORMATS[name](for_audience(result, Audience.LEARNER)) == FORMATS[name](result)


@pytest.mark.parametrize("name", ["junit", "markdown"])
def test_an_instructor_sees_the_reference_and_the_seed(name: str, samples: ModuleType) -> None:
    text = FORMATS[name](samples.starter()).decode()

    assert [word for word in (samples.CANARY, str(samples.SEED)) if word not in text] == []


@formats
def test_no_control_character_survives(name: str, samples: ModuleType) -> None:
    text = decoded(name, FORMATS[name](samples.hostile()))

    assert [c for c in set(text) if not c.isprintable() and c not in "\n\t"] == []
    assert [code for code in ("\\u001b", "\\u0000", "\\ud800", "\\u202e") if code in text] == []


@formats
def test_a_flood_is_cut(name: str, samples: ModuleType) -> None:
    assert len(FORMATS[name](samples.hostile())) < 300_000


@formats
def test_the_same_result_gives_the_same_bytes(name: str, result: Result) -> None:
    data = FORMATS[name](result)

    assert data == FORMATS[name](result)
    assert data.endswith(b"\n")


def test_the_command_line_names_every_format() -> None:
    assert list(options.FORMATS) == ["html", "json", *sorted(FORMATS, key=list(options.FORMATS).index)]


def test_no_format_needs_what_takes_long_to_import() -> None:
    source = (
        "import sys, grader.report.formats\n"
        "print({'jinja2', 'matplotlib', 'torch', 'numpy', 'hypothesis'} & sys.modules.keys() or 'none')"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=100, check=True)

    assert done.stdout == "none\n"


def test_names_that_come_again_are_numbered_and_hit_no_other() -> None:
    assert distinct(["a", "a (2)", "a", "b", "a"]) == ["a", "a (2)", "a (3)", "b", "a (4)"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" one\n\ttwo\r\n", "one two"),
        ("one\n\n two three", "one two…"),
        ("x" * 9, "xxxxxxx…"),
        ("\x1b[31mred\x00", "red"),
        ("\ud800", ""),
    ],
    ids=ascii,
)
def test_a_line_is_one_line_and_says_that_it_was_cut(text: str, shown: str) -> None:
    assert line(text, 8) == shown


def decoded(name: str, data: bytes) -> str:
    """The text of a file, where it is one; of base64 what is in it."""
    if name == "classroom":
        data = base64.b64decode(data)
    return data.decode("utf-8")
