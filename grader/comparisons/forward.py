"""The logits of a forward pass, as they are, of very large scores, and in short floats; and how they move with each
parameter."""

from typing import Final

import numpy as np

from grader.checks.compare import close
from grader.checks.stability_cases import QUERY_SCALE
from grader.checks.strategies import ModelCase
from grader.comparisons.comparison import GRADIENTS, LOGITS, Asked, Comparison, all_close, nearly, of, together_close
from grader.result.record import Lane
from grader.sandbox.questions import AnyQuestion, Forward, Gradients, Precision, Settings, Weights
from grader.sandbox.wire import Tensors
from grader.seeds import Seeds

# Both V < C and V > C, B unlike T, one layer and several: sizes that keep apart what a bug mixes up. The last has
# the default sizes and a full block, so that nothing is right for small models only.
CASES: Final = (
    ModelCase(d_model=8, vocab_size=5, n_layer=2, block_size=9, weights=1, tokens=((0, 1, 2, 3, 4, 0, 3),) * 2),
    ModelCase(d_model=6, vocab_size=11, n_layer=1, block_size=6, weights=2, tokens=((1, 10, 4, 4, 7),) * 3),
    ModelCase(d_model=12, vocab_size=17, n_layer=3, block_size=16, weights=3, tokens=((16, 2, 9, 11, 0, 5, 5, 13),)),
    ModelCase(
        d_model=32,
        vocab_size=64,
        n_layer=2,
        block_size=32,
        weights=4,
        tokens=tuple(tuple((7 * t + 13 * row) % 64 for t in range(32)) for row in range(5)),
    ),
)


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One forward of each case."""
    return [
        (
            Forward(config=case.config, weights=case.seeded(seeds), precision=precision),
            {"tokens.0": case.token_array()},
        )
        for case in CASES
    ]


def describe(question: AnyQuestion) -> str:
    """``one forward of vocab_size=5, ...``."""
    assert isinstance(question, Forward)
    return f"one forward of {of(question.config)}"


COMPARISON: Final = Comparison(id="forward", questions=questions, describe=describe, lanes=LOGITS, nearly=nearly)


EXTREME: Final = 1e5  # times the queries


def _extremes_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """Cases of the forward with queries scaled up."""
    return [
        (
            Forward(config=case.config, weights=case.seeded(seeds, query_scale=EXTREME), precision=precision),
            {"tokens.0": case.token_array()},
        )
        for case in CASES[:2]
    ]


# Scores of 1e5 carry their rounding into the softmax: what is 1e-16 elsewhere is 1e-11 here.
EXTREMES: Final = Comparison(
    id="extremes",
    questions=_extremes_questions,
    describe=describe,
    lanes=((Lane.FLOAT64, all_close("scalar loss, float64")),),
)


LENGTH: Final = 300  # bfloat16 counts to 256
LONG: Final[Settings] = {"vocab_size": 11, "block_size": LENGTH + 20, "n_layer": 1, "d_model": 8}
FLAT: Final = {"embedding.weight": 0.0}
QUIET: Final = {"lm_head.weight": 0.2}  # small logits, so that what they may differ by is small too


def _precisions_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """A long row in bfloat16, whatever the others are asked in; and a small case from embeddings of zeros."""
    weights = Weights(seeds.derive("weights", "precisions"), query_scale=QUERY_SCALE, factors=dict(QUIET))
    tokens = np.arange(LENGTH)[None] * 7 % 11
    case = CASES[0]
    flat = Forward(config=case.config, weights=case.seeded(seeds, factors=FLAT), precision=precision)
    return [
        (Forward(config=LONG, weights=weights, precision="bfloat16"), {"tokens.0": tokens}),
        (flat, {"tokens.0": case.token_array()}),
    ]


def _precisions_agree(answer: Tensors, expected: Tensors) -> bool:
    """Each as far as its numbers go: those of a bfloat16 model come as float32."""
    tolerances = {"float32": "logits, bfloat16", "float64": "logits, float64"}
    return answer.keys() == expected.keys() and all(
        close(answer[name], wanted, tolerances[str(wanted.dtype)]) for name, wanted in expected.items()
    )


PRECISIONS: Final = Comparison(
    id="precisions",
    questions=_precisions_questions,
    describe=describe,
    lanes=((Lane.FLOAT64, _precisions_agree),),
)


def _gradients_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """The smaller cases of the forward: several layers, and every token of a vocabulary."""
    return [
        (
            Gradients(config=case.config, weights=case.seeded(seeds), precision=precision),
            {"tokens": case.token_array()},
        )
        for case in CASES[:2]
    ]


def _describe_gradients(question: AnyQuestion) -> str:
    """``the gradients of vocab_size=5, ...``."""
    assert isinstance(question, Gradients)
    return f"the gradients of {of(question.config)}"


BACKWARD: Final = Comparison(
    id="gradients",
    questions=_gradients_questions,
    describe=_describe_gradients,
    after=("training-mode",),
    lanes=(
        (Lane.FLOAT64, together_close("gradients, float64")),
        (Lane.FLOAT32, together_close("gradients, softmax in float32")),
    ),
    nearly=together_close("logits, float32, another order"),
)


LENGTHS: Final = (0, 3)


def _empty_rows_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One small batch, of which only the second row has tokens."""
    case = CASES[0]
    question = Gradients(config=case.config, weights=case.seeded(seeds), precision=precision)
    return [(question, {"tokens": case.token_array(), "lengths": np.array(LENGTHS)})]


def _describe_empty_rows(question: AnyQuestion) -> str:
    """``the gradients of a batch with an empty row, with vocab_size=5, ...``."""
    assert isinstance(question, Gradients)
    return f"the gradients of a batch with an empty row, with {of(question.config)}"


EMPTY_ROWS: Final = Comparison(
    id="empty-rows", questions=_empty_rows_questions, describe=_describe_empty_rows, lanes=GRADIENTS
)
