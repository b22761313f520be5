"""A worker belongs to the candidate: whatever it answers, the grade comes to an end and stays small."""

from collections.abc import Callable

import pytest

from grader.exercise.model import Exercise
from grader.result.record import Result, Status, to_json

FORGE = """

import numpy
from grader.sandbox import questions
from grader.sandbox.worker import serve

"""


@pytest.mark.parametrize(
    "forgery",
    [
        pytest.param("serve.MODEL[questions.Influence] = lambda *_: {}", id="influence-without-a-matrix"),
        pytest.param(
            "serve.MODEL[questions.Influence] = lambda *_: {'influence': numpy.zeros((600, 600))}",
            id="influence-too-large",
        ),
        pytest.param(
            "serve.MODEL[questions.Flops] = lambda *_: {k: numpy.full(4, numpy.nan) for k in ('cached', 'full')}",
            id="no-number-of-operations",
        ),
        pytest.param(
            "serve.BOTH[questions.OwnRun] = lambda *_: {'losses': numpy.zeros((24, 2))}", id="losses-in-two-dimensions"
        ),
        pytest.param(
            "serve.BOTH[questions.OwnRun] = lambda *_: {'losses': numpy.zeros(300_000)}", id="losses-without-end"
        ),
        pytest.param("serve.MODEL[questions.Forward] = lambda *_: {}", id="forward-without-logits"),
        pytest.param("serve.MODEL[questions.Decode] = lambda *_: {'logits.0': numpy.zeros(3)}", id="odd-logits"),
        pytest.param("serve.TRAIN[questions.TrainSteps] = lambda *_: {}", id="training-without-parameters"),
    ],
)
def test_a_forged_answer_never_stops_the_grade(
    forgery: str, exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    files = {name: text + FORGE + forgery + "\n" for name, text in exercise.reference.items()}
    result = grade_files(files)

    assert [item.id for item in result.items if item.status is Status.NOT_JUDGED] == []
    assert len(to_json(result)) < 200_000


def test_what_a_candidate_says_is_recorded_harmless_and_short(
    exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    model = exercise.reference["model.py"].replace(
        'position: str = "learned"', 'position: str = "learned\\x1b[31m\\u202e" * 100_000'
    )
    result = grade_files(exercise.reference | {"model.py": model}, only=("projection",))
    record = to_json(result)

    assert len(record) < 200_000
    assert b"\\u001b" not in record
    assert "\u202e".encode() not in record
