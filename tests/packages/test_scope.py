"""The scope of a question is the largest of each size in it, whatever it asks; of several, the largest of all."""

from collections.abc import Mapping

import numpy as np
import pytest

from grader.packages.scope import scope_of
from grader.report.words import scope as in_words
from grader.result.record import Mode, Scope
from grader.sandbox.questions import (
    AnyQuestion,
    Decode,
    Evaluate,
    Fit,
    Flops,
    Forward,
    Generate,
    MakeBatch,
    OwnRun,
    Parameters,
    Rates,
    RecordSteps,
    SeededDraws,
    Settings,
    Weights,
)

CONFIG: Settings = {"n_layer": 3, "d_model": 34, "vocab_size": 70}
MODEL = Scope(layers=3, width=34, vocabulary=70)
EVAL, TRAINING = Scope(modes=(Mode.EVAL,)), Scope(modes=(Mode.TRAINING,))
WEIGHTS = Weights(1)
RUN: Settings = {"vocab_size": 9, "seq_len": 5, "batch_size": 4, "steps": 30}


def tokens(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.zeros(shape, dtype=np.int64)


def questions() -> dict[str, tuple[AnyQuestion, Mapping[str, np.ndarray], Scope]]:
    """By name: a question, its tensors, how far it goes."""
    batches = {name: tokens(7, 6, 5) for name in ("tokens", "targets", "labels")}
    given = {"given.0.k.0": np.zeros((2, 1, 40, 34)), "given.0.v.0": np.zeros((2, 1, 40, 34))}
    model = {"config": CONFIG, "weights": WEIGHTS}
    return {
        "forward": (
            Forward(**model),  # type: ignore[arg-type]
            {"tokens.0": tokens(3, 8), "tokens.1": tokens(2, 9)},
            MODEL | EVAL | Scope(rows=3, tokens=9),
        ),
        "forward-in-training": (
            Forward(**model, training=True),  # type: ignore[arg-type]
            {"tokens.0": tokens(1, 1)},
            MODEL | TRAINING | Scope(rows=1, tokens=1),
        ),
        "defaults": (
            Parameters(config={}, seed=1),
            {},
            Scope(layers=2, width=32, vocabulary=64),
        ),
        "decode-in-turn": (
            Decode(**model, parents=(-1, 0, 0, 2)),  # type: ignore[arg-type]
            {"chunk.0": tokens(2, 5), "chunk.1": tokens(2, 9), "chunk.2": tokens(2, 1), "chunk.3": tokens(2, 2)},
            MODEL | EVAL | Scope(rows=2, tokens=14),
        ),
        "decode-from-a-cache": (
            Decode(**model, parents=(-2, 0), layers=1),  # type: ignore[arg-type]
            {"chunk.0": tokens(2, 5), "chunk.1": tokens(2, 1), **given},
            MODEL | EVAL | Scope(rows=2, tokens=46),
        ),
        "generate": (
            Generate(**model, max_new_tokens=60, use_cache=True),  # type: ignore[arg-type]
            {"prompt": tokens(2, 5)},
            MODEL | EVAL | Scope(rows=2, tokens=65),
        ),
        "evaluate": (
            Evaluate(**model, training=True),  # type: ignore[arg-type]
            batches,
            MODEL | EVAL | TRAINING | Scope(rows=6, tokens=5),
        ),
        "flops": (Flops(**model, lengths=(4, 16)), {}, MODEL | EVAL | Scope(rows=1, tokens=17)),  # type: ignore[arg-type]
        "fit": (
            Fit(config=CONFIG, seed=1, lr=0.1, class_weight=1.0),
            batches,
            MODEL | TRAINING | Scope(rows=6, tokens=5, steps=7),
        ),
        "steps-of-a-stand-in": (
            RecordSteps(train=RUN, width=6, weights=WEIGHTS, at=(0, 1, 2, 3, 4, 5, 300)),
            batches,
            TRAINING | Scope(rows=6, tokens=5, steps=7, width=6, vocabulary=9),
        ),
        "own-run": (
            OwnRun(config=CONFIG, train=RUN, seed=1),
            {},
            MODEL | TRAINING | Scope(rows=4, tokens=5, steps=30),
        ),
        "own-run-of-the-defaults": (
            OwnRun(config=CONFIG, train={}, seed=1),
            {},
            MODEL | TRAINING | Scope(rows=16, tokens=16, steps=200),
        ),
        "batch": (MakeBatch(train=RUN, seed=1), {}, Scope(rows=4, tokens=5, vocabulary=9)),
        "rates": (Rates(train=RUN, steps=(0, 1000)), {}, Scope()),
        "seeding": (SeededDraws(seed=1), {}, Scope()),
    }


@pytest.mark.parametrize("name", questions())
def test_each_question_says_how_far_it_goes(name: str) -> None:
    question, tensors, expected = questions()[name]

    assert scope_of(question, tensors) == expected


def test_of_two_each_size_is_the_larger_one() -> None:
    assert Scope(tokens=9, rows=1, modes=(Mode.EVAL,)) | Scope(tokens=3, rows=4, modes=(Mode.TRAINING,)) == Scope(
        tokens=9, rows=4, modes=(Mode.EVAL, Mode.TRAINING)
    )


def test_it_reads_as_a_phrase_and_leaves_out_what_was_not_asked() -> None:
    whole = Scope(
        tokens=96, rows=24, layers=4, width=72, vocabulary=300, steps=200, modes=(Mode.EVAL, Mode.TRAINING)
    )  # fmt: skip

    assert in_words(whole) == (
        "tested up to 96 tokens, 24 rows, 4 layers, 300 words, 200 steps, width 72, in both modes"
    )
    assert in_words(Scope(tokens=5, rows=1, modes=(Mode.TRAINING,))) == "tested up to 5 tokens, 1 row, in training mode"
    assert in_words(Scope()) == in_words(None) == ""
