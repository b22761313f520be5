"""Train the candidate's classifier by the grader's own loop, and measure it on tokens it has not seen.

It is measured in another process, which is given the trained parameters and has never seen a label: what was learnt
has to be in them.
"""

from typing import Final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from msgspec import Struct

from grader.checks.check import Bench, Counterexample
from grader.sandbox.questions import Classify, Fit, Settings
from grader.sandbox.wire import Array

THRESHOLD: Final = 0.9  # held-out accuracy
# One in some hundreds of correct classifiers stays below the threshold from one initialisation, so that the best of
# a few counts; those that cannot learn fail from every one.
ATTEMPTS: Final = 3
STEPS, ROWS, LENGTH, HELD_OUT = 40, 16, 8, 2
VOCABULARY, WIDTH = 12, 16  # V < C, so that targets fit the logits whatever the projection does
RATE, CLASS_WEIGHT = 0.03, 4.0

CLAIM: Final = f"after {STEPS} steps, at least {THRESHOLD:.0%} of held-out tokens are classified right"


class FitCase(Struct, frozen=True, kw_only=True):
    """Which initialisation, which data, and for a random map which classes."""

    data: int
    n_classes: int

    @property
    def config(self) -> Settings:
        """GPTConfig fields."""
        return {
            "vocab_size": VOCABULARY,
            "block_size": LENGTH,
            "n_layer": 1,
            "d_model": WIDTH,
            "n_classes": self.n_classes,
        }


@st.composite
def fit_cases(draw: DrawFn, *, classes: tuple[int, ...]) -> FitCase:
    """Draws of data and initialisation."""
    return FitCase(data=draw(st.integers(0, 999)), n_classes=draw(st.sampled_from(classes)))


def judge(case: FitCase, bench: Bench, class_of: Array) -> None:
    """Fit, then count how many held-out tokens get the class that ``class_of`` (V,) gives them."""
    accuracies: list[float] = []
    while not accuracies or (max(accuracies) < THRESHOLD and len(accuracies) < ATTEMPTS):
        accuracies.append(_accuracy(case, bench, class_of, len(accuracies)))
    if max(accuracies) < THRESHOLD:
        raise Counterexample("accuracy", CLAIM, f"{max(accuracies):.0%} are, the best of {ATTEMPTS} runs")


def _accuracy(case: FitCase, bench: Bench, class_of: Array, attempt: int) -> float:
    random = np.random.default_rng(bench.seeds.derive("fit", case.data, attempt))
    tokens = random.integers(0, VOCABULARY, (STEPS, ROWS, LENGTH + 1))
    held_out = random.integers(0, VOCABULARY, (HELD_OUT, ROWS, LENGTH))
    inputs = tokens[..., :-1].copy()
    question = Fit(
        config=case.config,
        seed=bench.seeds.derive("init", case.data, attempt) % 2**31,
        lr=RATE,
        class_weight=CLASS_WEIGHT,
    )
    tensors = {"tokens": inputs, "targets": tokens[..., 1:].copy(), "labels": class_of[inputs]}
    trained = {name: array for name, array in bench.ask(question, tensors).items() if name.startswith("state.")}
    scores = bench.stranger.ask(Classify(config=case.config), {**trained, "tokens": held_out})["class_logits"]
    if scores.shape != (*held_out.shape, case.n_classes):
        raise Counterexample("class-shape", CLAIM, f"class logits have shape {tuple(scores.shape)}")
    return float((scores.argmax(axis=-1) == class_of[held_out]).mean())
