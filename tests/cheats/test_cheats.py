"""No submission gains points by fooling the grader, and none loses any for looking as if it did.

Each file in ``submissions/`` is somebody who would rather cheat than solve: its first line says how, ``stands_for``
names the strategy, and what its honest part is worth stands in it. Each file in ``controls/`` is honest and looks
suspicious. ``Entry`` in conftest.py says how they are written.
"""

import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.exercise.model import StoredExercise
from grader.grading.options import Options
from grader.grading.session import Session
from grader.report.html import render_html
from grader.report.text import render_text
from grader.report.words import number
from grader.result.record import FollowUp, ItemResult, Outcome, Result, from_json, to_json

slow = pytest.mark.slow  # a grade takes about a second, and there are dozens

HERE = Path(__file__).parent
CHEATS = sorted((HERE / "submissions").rglob("*.toml"))
CONTROLS = sorted((HERE / "controls").rglob("*.toml"))
# Of each folder one.
SMOKE = {
    "blame-raises-where-it-would-be-wrong",
    "cache-tokens-in-the-cache",
    "channel-replies-in-its-place",
    "classifier-forged-gradients",
    "files-reads-the-reference",
    "measuring-forged-influence",
    "memory-remembers-prefixes",
    "numbers-whispering-attention",
    "processes-reads-other-processes",
    "tests-says-itself-what-came-of-it",
    "training-steps-for-whoever-counts",
    "words-exceptions-that-bite",
}


def listed(files: list[Path]) -> list[Any]:
    """The files as parameters; those that still earn something have to fail."""
    parameters = []
    for file in files:
        name = f"{file.parent.name}-{file.stem}"
        unmended = tomllib.loads(file.read_text("utf-8")).get("unmended")
        marks = [pytest.mark.xfail(strict=True, raises=TooMuch, reason=unmended)] if unmended else []
        marks += [pytest.mark.smoke("cheat")] if name in SMOKE else []
        parameters.append(pytest.param(file, id=name, marks=marks))
    return parameters


class TooMuch(AssertionError):
    """Points that were not earned."""


@pytest.fixture(scope="module")
def session(exercise: StoredExercise) -> Iterator[Session]:
    """As in a cohort: what the reference and its variants have answered is known to the grades that follow, and all
    are asked the same. A cheat has a launcher to attack that is not the one of all other tests."""
    if sys.platform != "linux":
        pytest.skip("strict isolation is Linux's")
    with Session.start(exercise, "strict") as session:
        yield session


@pytest.fixture
def judged(
    hand_in: Callable[..., Any], surroundings: Callable[[], object], session: Session
) -> Callable[[Path], tuple[dict[str, float], dict[str, float]]]:
    """``judged(file)``: the points of each item and what it is worth, once all else is seen to be in order."""

    def run(file: Path) -> tuple[dict[str, float], dict[str, float]]:
        handed = hand_in(file)
        before = surroundings()
        result = session.grade(
            handed.submission,
            Options(
                seed=1,
                shared=True,
                explain=False,
                only=handed.entry.only,
                timeout=handed.entry.timeout,
            ),
        )

        assert surroundings() == before
        trusted = [worker._pid for worker in session._answer_cache._worker_pool._workers if not worker.has_ended]
        assert sorted(children_of(session._launcher._process.pid)) == sorted(trusted)
        assert_a_verdict(result, tuple(handed.worth))
        assert_harmless(result)
        assert re.search(handed.entry.shows, "\n".join(texts(result)))
        return {part.id: part.score for part in parts(result)}, handed.worth

    return run


def parts(result: Result) -> list[ItemResult | FollowUp]:
    """The items, and the follow-ups that were asked for by name."""
    return [*result.items, *(followup for followup in result.followups if followup.id in result.asked.only)]


def assert_a_verdict(result: Result, items: tuple[str, ...]) -> None:
    """Every check of every item was judged, and the record is what it says it is."""
    assert tuple(part.id for part in parts(result)) == items
    assert [c.id for part in parts(result) for c in part.checks if c.outcome is Outcome.NOT_JUDGED] == []
    assert result.judged
    assert from_json(to_json(result)) == result


def assert_harmless(result: Result) -> None:
    """A reader of the result sees text, and not too much of it."""
    record, page, text = to_json(result), render_html(result), render_text(result)

    assert len(record) < 400_000
    assert not re.search(r"<(script|img|iframe)", page, re.IGNORECASE)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text + page + record.decode())
    assert not re.search("[\u115f\u1160\u3164\uffa0\ufe00-\ufe0f]|[\u0300-\u036f]{9}", text + page + record.decode())
    score = f"{number(result.score)} of {number(result.max_score)}"
    assert set(re.findall(r"^\s*Score: (.*)$", text, re.MULTILINE)) <= {score}


def texts(result: Result) -> Iterator[str]:
    """Whatever a result says that a submission may have had a hand in."""
    yield from result.candidate.notes
    yield from (fault.reason for fault in result.load_faults)
    for check in (check for part in parts(result) for check in part.checks):
        yield from (check.message, check.output)


def children_of(pid: int) -> list[int]:
    """The processes whose parent ``pid`` is."""
    children = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text("latin-1").rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == pid:
                children.append(int(entry.name))
    return children


@slow
@pytest.mark.parametrize("file", listed(CHEATS))
def test_a_cheat_earns_nothing_that_its_honest_part_did_not(
    file: Path, judged: Callable[[Path], tuple[dict[str, float], dict[str, float]]]
) -> None:
    scores, worth = judged(file)

    undeserved = {name: score for name, score in scores.items() if score > worth[name]}
    if undeserved:
        raise TooMuch(f"{undeserved}, where at most {worth} was earned")


@slow
@pytest.mark.parametrize("file", listed(CONTROLS))
def test_who_is_honest_gets_what_is_deserved(
    file: Path, judged: Callable[[Path], tuple[dict[str, float], dict[str, float]]]
) -> None:
    scores, worth = judged(file)

    assert scores == worth


def test_the_first_line_says_what_is_tried() -> None:
    silent = [file.name for file in (*CHEATS, *CONTROLS) if not re.match(r"# [A-Z].*\.\n", file.read_text("utf-8"))]

    assert silent == []
