"""Cases for the classifier: a model case with a number of classes, and a classifier that is trained.

The vocabulary is smaller than the model is wide, so that targets fit the logits whatever width a wrong
output projection gives them.
"""

from typing import Final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from msgspec import Struct

from grader.checks.check import CheckFailed, Context
from grader.checks.compare import finite
from grader.checks.strategies import ModelCase, extended, model_case, model_cases
from grader.sandbox.questions import Classify, Fit, Settings
from grader.sandbox.wire import Array, Tensors
from grader.sizes import Extent, at_most


class ClassCase(ModelCase, frozen=True, kw_only=True):
    """A model with a classifier head. ``data`` picks targets and labels."""

    n_classes: int
    data: int

    @property
    def config(self) -> Settings:
        """GPTConfig fields."""
        return super().config | {"n_classes": self.n_classes}

    @property
    def scored(self) -> int:
        """How many words have a score, whatever width a wrong output projection gives the logits: targets fit."""
        return min(self.vocab_size, self.d_model)

    @property
    def headless(self) -> Settings:
        """The same model without a head."""
        return super().config


# Few, and up to twice as many as there are words; round numbers in binary a little more often.
CLASSES: Final = (2, 3, 4, 8, 16, *range(4, 21))


@st.composite
def class_cases(
    draw: DrawFn,
    *,
    lengths: tuple[int, int] = (2, 5),
    rows: tuple[int, int] = (1, 2),
    layers: tuple[int, ...] = (1, 2, 3),
    distinct: bool = False,
) -> ClassCase:
    """Models with 2 to 20 classes; V < C."""
    case = draw(model_cases(layers=layers, lengths=lengths, rows=rows, distinct=distinct, narrow=True))
    return extended(case, ClassCase, n_classes=draw(st.sampled_from(CLASSES)), data=draw(st.integers(0, 999)))


def class_case(extent: Extent, *, distinct: bool = False) -> ClassCase:
    """A model of these sizes, with a head."""
    case = model_case(extent, distinct=distinct)
    return extended(case, ClassCase, n_classes=extent.classes, data=extent.draw % 1000)


def few_classified(extent: Extent) -> ClassCase:
    """The same, beyond the default sizes with two rows at most."""
    return class_case(at_most(extent, rows=2) if extent.draw else extent)


def broad_class_case(extent: Extent) -> ClassCase:
    """The same with one layer: for what depends on how large a batch is."""
    return class_case(at_most(extent, layers=1))


# Train the candidate's classifier by the grader's own loop, and measure it on tokens it has not seen.
#
# It is measured in another process, which is given the trained parameters and has never seen a label: what was learnt
# has to be in them. The process that has seen the labels has ended by then. What travels is what training moves, a
# little blurred, so that nothing is written in low bits; and the tokens have changed places, with their rows, so that a
# list of which token has which class is of no use. And where every token leaves the same behind in the stream, whatever
# reads the stream, behind whichever norm, has nothing to tell them apart by.

THRESHOLD: Final = 0.9  # held-out accuracy
# One in some hundreds of correct classifiers stays below the threshold from one initialisation, so that the best of
# a few counts; those that cannot learn fail from every one.
ATTEMPTS: Final = 3
STEPS, ROWS, HELD_OUT = 40, 16, 2
# V < C, so that targets fit the logits whatever the projection does.
VOCABULARIES, WIDTHS, LENGTHS = (10, 13), (14, 18), (7, 9)
# Of the size of a tensor. Correct classifiers do not notice a hundred times as much.
BLUR: Final = 1e-3
RATE, CLASS_WEIGHT = 0.03, 4.0
TOKENS, POSITIONS = "token_embedding.weight", "position_embedding.weight"
ATTENTION_ADDS: Final = "blocks.0.attn.proj.weight", "blocks.0.attn.proj.bias"

LEARNT: Final = f"after {STEPS} steps, at least {THRESHOLD:.0%} of held-out tokens are classified right"
TOLD_APART: Final = 0.01  # of the difference between scores, where the stream is one; honest heads keep 1e-6 of it


class FitCase(Struct, frozen=True, kw_only=True):
    """Sizes, which initialisation, which data, and for a random map which classes."""

    data: int
    n_classes: int
    vocab_size: int
    d_model: int
    length: int

    @property
    def config(self) -> Settings:
        """GPTConfig fields."""
        return {
            "vocab_size": self.vocab_size,
            "block_size": self.length,
            "n_layer": 1,
            "d_model": self.d_model,
            "n_classes": self.n_classes,
        }


@st.composite
def fit_cases(draw: DrawFn, *, classes: tuple[int, ...]) -> FitCase:
    """Draws of sizes, data and initialisation."""
    return FitCase(
        data=draw(st.integers(0, 999)),
        n_classes=draw(st.sampled_from(classes)),
        vocab_size=draw(st.integers(*VOCABULARIES)),
        d_model=draw(st.integers(*WIDTHS)),
        length=draw(st.integers(*LENGTHS)),
    )


def judge(case: FitCase, context: Context, class_of: Array) -> None:
    """Fit, then count how many held-out tokens get the class that ``class_of`` (V,) gives them."""
    accuracies: list[float] = []
    while not accuracies or (max(accuracies) < THRESHOLD and len(accuracies) < ATTEMPTS):
        accuracies.append(_accuracy(case, context, class_of, len(accuracies)))
    if max(accuracies) < THRESHOLD:
        raise CheckFailed("accuracy", LEARNT, f"{max(accuracies):.0%} are, the best of {ATTEMPTS} runs")


def _accuracy(case: FitCase, context: Context, class_of: Array, attempt: int) -> float:
    random = np.random.default_rng(context.seeds.derive("fit", case.data, attempt))
    tokens = random.integers(0, case.vocab_size, (STEPS, ROWS, case.length + 1))
    held_out = random.integers(0, case.vocab_size, (HELD_OUT, ROWS, case.length))
    inputs = tokens[..., :-1].copy()
    question = Fit(
        config=case.config,
        seed=context.seeds.derive("init", case.data, attempt) % 2**31,
        lr=RATE,
        class_weight=CLASS_WEIGHT,
    )
    tensors = {"tokens": inputs, "targets": tokens[..., 1:].copy(), "labels": class_of[inputs]}
    with context.candidate.another() as pupil:
        answer = pupil.ask(question, tensors)
    trained = {name: _blurred(array, random) for name, array in answer.items() if name.startswith("state.")}
    seats = random.permutation(case.vocab_size)
    scores = _scores(case, context, _reseated(trained, seats), seats[held_out])
    accuracy = float((scores.argmax(axis=-1) == class_of[held_out]).mean())
    if accuracy < THRESHOLD:
        return accuracy
    if np.ptp(_of_one_stream(case, context, trained), axis=0).max() > TOLD_APART * np.ptp(scores):
        raise CheckFailed(
            "written down",
            "classes are read off the stream that the blocks leave behind",
            "where every token leaves the same behind, the classifier still tells tokens apart",
        )
    return accuracy


def _of_one_stream(case: FitCase, context: Context, trained: Tensors) -> Array:
    """Class logits (V, classes): of each token by itself, whose embedding the first block takes out of the stream.

    The bias of attention does that. Positions add nothing, and there is nothing else to look at, so that it makes no
    difference which bugs are left in.
    """
    tokens, positions, weight, bias = (f"state.{name}" for name in (TOKENS, POSITIONS, *ATTENTION_ADDS))
    if not trained.keys() >= {tokens, positions, weight, bias}:
        raise CheckFailed("names", "a trained model's state has the parameters of the contract", "some are missing")
    stream = trained[tokens].mean(axis=0) + trained[positions].mean(axis=0)
    silent = {**trained} | {name: np.zeros_like(trained[name]) for name in (positions, weight)}
    return np.stack(
        [
            _scores(case, context, silent | {bias: stream - trained[tokens][token]}, np.full((1, 1, 1), token))[0, 0, 0]
            for token in range(case.vocab_size)
        ]
    )


def _scores(case: FitCase, context: Context, trained: Tensors, tokens: Array) -> Array:
    """Class logits (M, B, T, classes) of a model that has only these parameters to know anything from."""
    scores = context.fresh_candidate.ask(Classify(config=case.config), {**trained, "tokens": tokens})["class_logits"]
    if scores.shape != (*tokens.shape, case.n_classes):
        raise CheckFailed("class-shape", LEARNT, f"class logits have shape {tuple(scores.shape)}")
    if not finite(scores):
        raise CheckFailed("not-finite", LEARNT, "class logits are NaN or infinite")
    return scores


def _blurred(values: Array, random: np.random.Generator) -> Array:
    """The values with noise of a small share of their size."""
    if values.dtype.kind != "f" or not values.size:
        return values
    noise = BLUR * np.sqrt(np.mean(np.square(values, dtype=np.float64))) * random.standard_normal(values.shape)
    blurred: Array = (values + noise).astype(values.dtype)
    return blurred


def _reseated(trained: Tensors, seats: Array) -> Tensors:
    """The same model, in which each token v is called ``seats[v]``."""
    table = trained.get("state.token_embedding.weight")
    if table is None or len(table) != len(seats):
        return trained
    moved = np.empty_like(table)
    moved[seats] = table
    return {**trained, "state.token_embedding.weight": moved}
