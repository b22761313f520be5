"""Questions and replies survive the way there and back, name no check, and are read strictly."""

from typing import get_args

import msgspec
import pytest

from grader.checks.catalogue import CHECKS
from grader.sandbox import questions as q
from grader.sandbox.questions import AnyQuestion, Load, Question, question_decoder, reply_decoder

KINDS = get_args(AnyQuestion)
WEIGHTS = q.Weights(seed=2**61, scale=0.5, query_scale=16.0)
FIELDS = {
    "config": {"vocab_size": 7, "lr": 0.1, "position": "learned"},
    "train": {"steps": 3, "lr": 0.01},
    "weights": WEIGHTS,
    "seed": 1,
    "width": 8,
    "parents": (-1, 0, -2),
    "steps": (0, 5),
    "lengths": (1, 2),
    "heads": 2,
    "directions": 4,
    "call": "generate",
    "max_new_tokens": 3,
    "use_cache": True,
    "class_weight": 0.5,
    "class_weights": (0.5, 1.0),
    "training": False,
    "weighting": "constant",
    "lr": 0.01,
    "source": "print(1)",
    "module": "model",
    "modules": ("test_cache",),
    "files": {"model.py": "x = 1"},
    "groups": ("masking",),
    "seeds": (1, 2),
    "share": 0.5,
    "ways": ("numbers",),
}


def example(kind: type[Question]) -> Question:
    """A question of that kind with all that it requires."""
    required = [f.name for f in msgspec.structs.fields(kind) if f.required]
    return kind(**{name: FIELDS[name] for name in required})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_question_arrives_as_it_was_put(kind: type[Question]) -> None:
    question = example(kind)

    assert question == question_decoder.decode(msgspec.json.encode(question))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_question_names_no_check(kind: type[Question]) -> None:
    text = msgspec.json.encode(example(kind)).decode()

    assert [check.id for check in CHECKS if check.id in text] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_question_says_what_comes_back(kind: type[Question]) -> None:
    assert kind.__doc__ is not None
    assert "out: " in kind.__doc__ or "Replies with" in kind.__doc__


def test_tags_are_unique() -> None:
    tags = [kind.__struct_config__.tag for kind in (*KINDS, Load)]

    assert len(tags) == len(set(tags))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(b'{"ask": "nothing-known"}', "Invalid value 'nothing-known'", id="unknown"),
        pytest.param(b'{"ask": "load", "files": {}, "check": "x"}', "unknown field `check`", id="field"),
        pytest.param(b'{"ask": "load", "files": {"model.py": 3}}', "Expected `str`, got `int`", id="type"),
        pytest.param(b'{"ask": "snippet"}', "missing required field `source`", id="missing"),
    ],
)
def test_what_is_no_question_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        question_decoder.decode(text)


@pytest.mark.parametrize(
    "reply",
    [
        q.Answered(),
        q.Raised(
            type="E",
            bases=("E", "Exception"),
            message="m",
            by_raise=False,
            traceback="t",
            frames=(q.Frame(file="model.py", line=3, column=5, function="f"),),
        ),
        q.Malformed(message="m"),
    ],
    ids=lambda reply: type(reply).__name__,
)
def test_a_reply_arrives_as_it_was_given(reply: q.Reply) -> None:
    assert reply == reply_decoder.decode(msgspec.json.encode(reply))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(b'{"reply": "passed"}', "Invalid value 'passed'", id="verdict"),
        pytest.param(b'{"reply": "answered", "score": 100}', "unknown field `score`", id="score"),
        pytest.param(b"{}", "missing required field `reply`", id="empty"),
        pytest.param(b'{"reply": "malformed", "message": null}', "Expected `str`, got `null`", id="null"),
    ],
)
def test_what_is_no_reply_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        reply_decoder.decode(text)
