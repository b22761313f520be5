"""What fails on our side, or the machine's, is never a score; what the candidate does itself is never our failure."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count

import pytest

from grader.errors import CannotJudge
from grader.exercise.model import Exercise, StoredExercise
from grader.grading.answer_cache import Keep
from grader.grading.options import Options
from grader.grading.session import Session
from grader.result.record import Outcome, Result, Status
from grader.sandbox.client import Launcher
from grader.sandbox.connection import Worker
from grader.submission.read import submission_of

pytestmark = pytest.mark.slow

ITEMS = ("projection", "training-step")
# At the end of the file, so that the spans of the planted bugs still fit.
NOISE = """

import os as _os

_forward = GPT.forward


def _noisy(self, tokens, *, classify=False):
    answer = _forward(self, tokens, classify=classify)
    noise = torch.zeros(1, dtype=self.lm_head.weight.dtype) + _os.getrandom(1)[0] * 1e-7
    return (answer[0] + noise, answer[1]) if classify else answer + noise


GPT.forward = _noisy
"""

IsMeant = Callable[[Mapping[str, str]], bool]
KillWhen = Callable[[int], bool]


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Callable[[IsMeant, KillWhen], list[int]]:
    """``kill(is_meant, when) -> killed``: a worker of a package that is meant loses its n-th question by being killed,
    for every n where ``when(n)``; the n of those that were."""

    def arrange(is_meant: IsMeant, when: KillWhen) -> list[int]:
        send, asked, turn, killed = Worker.send, count(), threading.Lock(), []

        def sent(worker: Worker, *question: object) -> None:
            with turn:
                number = next(asked) if is_meant(worker._load.files) else -1
                doomed = number >= 0 and when(number)
                killed.extend([number] if doomed else [])
            if doomed:
                worker.locked  # noqa: B018  it has loaded the package
                os.kill(worker._pid, signal.SIGSTOP)  # or it might have answered by then
            send(worker, *question)  # type: ignore[arg-type]
            if doomed:
                os.kill(worker._pid, signal.SIGKILL)

        monkeypatch.setattr(Worker, "send", sent)
        return killed

    return arrange


@pytest.fixture(scope="module")
def right(grade_files: Callable[..., Result], exercise: Exercise) -> Result:
    """The reference, graded while nothing fails."""
    return grade_files(own_copy(exercise), only=ITEMS)


def own_copy(exercise: Exercise) -> dict[str, str]:
    """A right solution that is not the reference's text, so that the two can be told apart."""
    return dict(exercise.reference) | {"train.py": exercise.reference["train.py"] + "# mine\n"}


def verdicts(result: Result) -> list[tuple[str, str, float, list[str]]]:
    return [(item.id, item.status, item.score, [check.outcome for check in item.checks]) for item in result.items]


# The launcher


@pytest.mark.parametrize("question", [None, 0, 1, 25, 60], ids=lambda n: "starting" if n is None else f"question-{n}")
def test_a_grade_whose_launcher_is_killed_has_no_verdict(
    question: int | None, exercise: StoredExercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, asked = Worker.send, count()
    with Launcher("strict", hidden=[exercise.reference_directory]) as launcher:

        def sent(worker: Worker, *question_and_more: object) -> None:
            if next(asked) == question:
                launcher._process.kill()
            send(worker, *question_and_more)  # type: ignore[arg-type]

        monkeypatch.setattr(Worker, "send", sent)
        if question is None:
            launcher._process.kill()
        submission = submission_of("mine", own_copy(exercise))
        with pytest.raises(
            CannotJudge, match=r"nothing could be judged: .*(launcher|worker could not be locked: it hung up)"
        ):
            Session(exercise, launcher, Keep.NOTHING).grade(submission, Options(seed=1, only=ITEMS))

        assert launcher._process.wait() == -signal.SIGKILL


# Workers


@pytest.mark.parametrize("number", [0, 1, 7, 20])
@pytest.mark.parametrize("whose", ["reference", "candidate"])
def test_a_worker_that_the_machine_killed_once_changes_no_verdict(
    whose: str,
    number: int,
    right: Result,
    exercise: Exercise,
    grade_files: Callable[..., Result],
    kill: Callable[[IsMeant, KillWhen], list[int]],
) -> None:
    files = exercise.reference if whose == "reference" else own_copy(exercise)
    killed = kill(files.__eq__, lambda n: n == number)

    assert verdicts(grade_files(own_copy(exercise), only=ITEMS)) == verdicts(right)
    assert killed == [number]


@pytest.mark.parametrize("whose", ["reference", "variants"])
def test_packages_of_ours_that_die_while_they_are_compared_end_the_grade(
    whose: str,
    exercise: Exercise,
    grade_files: Callable[..., Result],
    kill: Callable[[IsMeant, KillWhen], list[int]],
) -> None:
    """A variant that died does not disagree with the candidate: what it would have answered is not known."""
    candidate = exercise.variant(frozenset({"projection"}))
    candidate["train.py"] += "# mine\n"
    variants = (exercise.reference, candidate)
    killed = kill(exercise.reference.__eq__ if whose == "reference" else lambda f: f not in variants, lambda n: True)

    with pytest.raises(CannotJudge, match="the reference gave no answer: its process was killed by SIGKILL"):
        grade_files(candidate, only=ITEMS)
    assert len(killed) > 1  # and again, when it was asked once more


def test_items_whose_reference_died_are_not_judged(
    launcher: Launcher, exercise: Exercise, kill: Callable[[IsMeant, KillWhen], list[int]]
) -> None:
    """Of an item that has no twin: a reference that dies while twins are compared ends the grade, too."""
    comparing = threading.Event()
    kill(exercise.reference.__eq__, lambda _: comparing.is_set())

    def progress(text: str) -> None:
        if text == exercise.items["kv-cache"].title:
            comparing.set()

    submission = submission_of("mine", own_copy(exercise))
    result = Session(exercise, launcher, Keep.NOTHING).grade(
        submission, Options(seed=1, only=("kv-cache",)), progress=progress
    )

    assert not result.judged
    assert [(item.status, item.score, item.max_score) for item in result.items] == [(Status.NOT_JUDGED, 0, 0)]
    assert {check.outcome for item in result.items for check in item.checks} == {Outcome.PASSED, Outcome.NOT_JUDGED}


@pytest.mark.parametrize("first", [0, 10, 40])
def test_a_candidate_that_dies_again_and_again_has_itself_to_blame(
    first: int,
    exercise: Exercise,
    grade_files: Callable[..., Result],
    kill: Callable[[IsMeant, KillWhen], list[int]],
) -> None:
    kill(own_copy(exercise).__eq__, lambda n: n >= first)
    result = grade_files(own_copy(exercise), only=ITEMS)

    outcomes = {check.outcome for item in result.items for check in item.checks}
    assert result.judged
    if first == 0:  # it does not even run
        assert [fault.file for fault in result.load_faults] == ["model.py", "train.py"]
        assert outcomes == {Outcome.BLOCKED}
    else:
        assert result.load_faults == ()
        assert Outcome.BROKEN in outcomes
    assert Outcome.NOT_JUDGED not in outcomes
    assert result.score < result.max_score


# The reference, and the clock


def test_a_reference_that_does_not_reproduce_itself_judges_nobody(launcher: Launcher, exercise: Exercise) -> None:
    noisy = replace(exercise, reference=exercise.reference | {"model.py": exercise.reference["model.py"] + NOISE})

    with pytest.raises(CannotJudge, match=r"the reference does not reproduce itself on this machine \(forward\)"):
        Session(noisy, launcher, Keep.NOTHING).grade(submission_of("mine", exercise.reference), Options(seed=1))


def test_a_clock_that_jumps_changes_no_verdict(
    right: Result, exercise: Exercise, grade_files: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    jump = random.Random(1)
    monkeypatch.setattr(time, "time", lambda: jump.uniform(0, 4e9))
    monkeypatch.setattr(time, "time_ns", lambda: jump.randrange(4 * 10**18))
    result = grade_files(own_copy(exercise), only=ITEMS)

    assert verdicts(result) == verdicts(right)
    assert 0 < result.seconds < 1e6


def test_a_submission_has_so_much_time_for_all_of_its_answers_and_no_more(
    grade_files: Callable[..., Result], exercise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.grading.options.BUDGET_TIMEOUT_FACTOR", 0)
    result = grade_files(exercise.reference, only=("projection",), explain=False)
    [item] = result.items

    assert item.score == 0
    said = [*(check.message for check in item.checks), *(fault.reason for fault in result.load_faults)]
    assert any("all of its answers took more than 0 s" in text for text in said), said
