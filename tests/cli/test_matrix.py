"""``grader mutations --matrix``: which checks see a bug, as text, as JSON and as a page."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from grader.checks.catalogue import MEASURED_BY, of_family
from grader.injection.matrix import Matrix, Row, as_html, as_text, to_json
from mutations.catalogue import operator

linux = pytest.mark.skipif(sys.platform != "linux", reason="strict isolation is Linux's")
CHEAP = "optimizer-never-steps"
IDS = tuple(check.id for check in MEASURED_BY)


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def matrix(grader: Command) -> Command:
    """``matrix(*arguments)``: what ``grader mutations ... --matrix`` ends with."""
    return lambda *arguments, **options: grader("mutations", *arguments, "--matrix", **options)


def row(operator_id: str, *killed_by: str, site: int = 0, shows_in: tuple[str, ...] = ()) -> Row:
    category = operator(operator_id).category.value
    return Row(operator=operator_id, category=category, site=site, killed_by=killed_by, shows_in=shows_in)


SAMPLE = Matrix(
    checks=("future-is-hidden", "order-matters", "step-is-exact"),
    rows=(
        row("mask-flipped", "future-is-hidden", "order-matters", shows_in=("forward",)),
        row("mask-flipped", site=1, shows_in=("modes",)),
        row(CHEAP),
    ),
    seconds=1.5,
)


class Page(HTMLParser):
    """Every element of a page, with its attributes."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


# What is made of a matrix


def test_bugs_that_no_check_sees_and_checks_that_see_no_bug_are_listed() -> None:
    assert [each.name for each in SAMPLE.survivors] == ["mask-flipped (site 2)", CHEAP]
    assert SAMPLE.idle_checks == ("step-is-exact",)
    assert SAMPLE.kills == {"future-is-hidden": 1, "order-matters": 1}


def test_the_text_has_a_line_for_each_bug_and_all_that_is_left_over() -> None:
    assert as_text(SAMPLE).splitlines() == [
        "masking",
        "  mask-flipped           future-is-hidden, order-matters",
        "  mask-flipped (site 2)  seen by no check",
        "",
        "training-loop",
        "  optimizer-never-steps  seen by no check",
        "",
        "1 of 3 bugs are seen; 1.5 s, 2.0 bugs a second",
        "  not seen: mask-flipped (site 2) (seen by modes alone)",
        "  not seen: optimizer-never-steps (equivalent here, or never run)",
        "  sees no bug: step-is-exact",
    ]


def test_an_empty_matrix_can_be_shown_too() -> None:
    empty = Matrix(checks=("step-is-exact",), rows=(), seconds=0.0)

    assert "0 of 0 bugs are seen; 0.0 s, 0.0 bugs a second" in as_text(empty)
    assert "0 of 0 bugs are seen" in as_html(empty)


def test_the_page_is_self_contained_and_runs_nothing() -> None:
    page = Page(as_html(SAMPLE))
    tags = [tag for tag, _ in page.elements]

    assert {"script", "img", "link", "iframe", "object", "form", "base", "a"}.isdisjoint(tags)
    for _, attributes in page.elements:
        assert not any(name.startswith("on") or name in ("src", "href", "style") for name in attributes)
    assert ("meta", "default-src 'none'") in [
        (tag, (attributes.get("content") or "").split(";")[0])
        for tag, attributes in page.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "url(" not in as_html(SAMPLE)
    assert "@import" not in as_html(SAMPLE)


def test_the_page_marks_who_sees_what() -> None:
    page = Page(as_html(SAMPLE))
    seen = {attributes["title"] for tag, attributes in page.elements if attributes.get("class") == "seen"}

    assert seen == {"future-is-hidden sees mask-flipped", "order-matters sees mask-flipped"}
    assert [tag for tag, attributes in page.elements if attributes.get("class") == "survivor"] == ["tr", "tr"]
    assert len([tag for tag, attributes in page.elements if attributes.get("class") == "idle"]) == 1


def test_json_holds_all_of_it() -> None:
    value = json.loads(to_json(SAMPLE))

    assert value["checks"] == list(SAMPLE.checks)
    assert value["seconds"] == 1.5
    assert [entry["killed_by"] for entry in value["rows"]] == [["future-is-hidden", "order-matters"], [], []]


# The command


@linux
@pytest.mark.slow
def test_a_bug_is_told_with_every_check_that_sees_it_on_a_page_too(matrix: Command, tmp_path: Path) -> None:
    page = tmp_path / "matrix.html"
    done = matrix(CHEAP, "--html", page)
    seen = re.findall(rf"^  {CHEAP}  (.+)$", done.stdout, flags=re.MULTILINE)

    assert done.returncode == 0
    assert len(seen) == 1
    killers = seen[0].split(", ")
    assert {"parameters-move", "step-is-exact"} <= set(killers)
    assert killers == [check for check in IDS if check in killers]
    assert "1 of 1 bugs are seen" in done.stdout
    assert done.stdout.endswith(f"Written: {page}\n")
    assert page.read_text().count('class="seen"') == len(killers)
    assert re.search("<script|http://|https://", page.read_text()) is None
    assert done.stderr.splitlines()[-1] == f"grader: bug 1 of 1: {CHEAP}"


@linux
@pytest.mark.slow
def test_json_is_all_there_is_on_stdout_and_the_first_that_sees_it_is_of_its_kind(matrix: Command) -> None:
    done = matrix(CHEAP, "--json", "--first")
    value = json.loads(done.stdout)
    (found,) = value["rows"]

    assert done.returncode == 0
    assert value["checks"] == list(IDS)
    assert (found["operator"], found["site"], found["shows_in"]) == (CHEAP, 0, [])
    assert len(found["killed_by"]) == 1
    assert found["killed_by"][0] in [check.id for check in of_family(operator(CHEAP).category)]


@linux
@pytest.mark.slow
def test_a_bug_that_no_check_sees_is_exit_code_1(matrix: Command, tmp_path: Path) -> None:
    """In code that is never run: a whole second loop behind a name that nothing calls."""
    reference = Path(__file__).resolve().parents[2] / "reference"
    for name in ("model.py", "followups.py"):
        (tmp_path / name).write_text((reference / name).read_text())
    idle = """

def idle(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
    (tmp_path / "train.py").write_text((reference / "train.py").read_text() + idle)
    done = matrix(CHEAP, "--from", tmp_path)

    assert done.returncode == 1
    assert "1 of 2 bugs are seen" in done.stdout
    assert f"  not seen: {CHEAP} (site 2) (equivalent here, or never run)" in done.stdout


@linux
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mask-fliped"], "did you mean 'mask-flipped'?"),
        ([CHEAP, "--from", "absent"], "absent'; expected a directory that holds model.py"),
        ([CHEAP, "--html", "absent/page.html"], "no directory 'absent'"),
    ],
    ids=["operator", "reference", "page"],
)
def test_what_cannot_be_measured_is_refused(matrix: Command, arguments: list[str], words: str, tmp_path: Path) -> None:
    done = matrix(*arguments, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@linux
@pytest.mark.slow
def test_an_interruption_does_not_wait_for_the_bugs_that_are_left(interrupt: Callable[..., None]) -> None:
    interrupt("mutations", "--matrix", moment="bug 5 of", number=signal.SIGINT)
