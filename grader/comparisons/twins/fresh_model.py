"""The logits of a new model: of the default configuration, with the weights that it makes itself."""

from typing import Final

import numpy as np

from grader.comparisons.comparison import LOGITS, Asked, Comparison, nearly, of
from grader.comparisons.twins.default_sizes import DEFAULTS, SHAPE
from grader.sandbox.questions import AnyQuestion, Forward, Precision, Weights
from grader.seeds import Seeds


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One model, in evaluation."""
    return [fresh((False,), seeds, precision)]


def fresh(modes: tuple[bool, ...], seeds: Seeds, precision: Precision) -> Asked:
    """A new model, put into these modes in turn and asked the same; True is training."""
    tokens = np.random.default_rng(seeds.derive("fresh model")).integers(0, int(DEFAULTS["vocab_size"]), SHAPE)
    question = Forward(
        config=DEFAULTS,
        weights=Weights(0),
        precision=precision,
        modes=modes,
        recording=True,
        initial=True,
        seed=seeds.derive("fresh model") % 2**31,
    )
    return question, {f"tokens.{i}": tokens for i in range(len(modes))}


def describe(question: AnyQuestion) -> str:
    """``a new model with vocab_size=64, ...``."""
    assert isinstance(question, Forward)
    return f"a new model with {of(question.config)}"


COMPARISON: Final = Comparison(
    id="fresh-model", questions=questions, describe=describe, lanes=LOGITS, nearly=nearly, after=("default-sizes",)
)
