"""Runs of the candidate's own training as they happen, and how two of them agree, with dropout too.

Where the same numbers are drawn in the same order, the bits are the same. A right model may draw what it drops in
another order: then its logits must be spread in the same way, and the run is no evidence.
"""

from collections import defaultdict
from typing import Final

import numpy as np

from grader.checks.compare import close, same_bits, spread_alike
from grader.comparisons.comparison import Agree, Asked, Comparison, of
from grader.comparisons.twin_models import drawn_sizes
from grader.result.record import Lane
from grader.sandbox.questions import AnyQuestion, Forward, Precision, TwinRun, Weights
from grader.sandbox.wire import Array, Tensors
from grader.seeds import Seeds

LAST: Final = "after the last step"
AGAIN: Final = ", and trained again"
UNSEEN: Final = "of batches not seen before"
ROUGHLY: Final = 0.05  # of the largest logit
LOSSES: Final = ("loss", "lm_loss", "class_loss")
EARLY: Final = 20  # steps in which rounding has not grown yet
PARAMETERS: Final = 1e-3  # of a parameter: 1e-6 was seen in 200 steps where the norm is clipped without a safeguard
CLIP: Final = 2e-5  # of a gradient: torch clips by the norm + 1e-6, others by the norm
NOISE: Final = 1e-3  # of the largest value: below it may be nothing but rounding, as the gradient of a key's bias is


def drawn_seed(draw: np.random.Generator) -> int:
    """A seed for a run."""
    return int(draw.integers(1, 2**31))


def describe(question: AnyQuestion) -> str:
    """``training with vocab_size=20, ...``."""
    assert isinstance(question, TwinRun)
    settings = question.config | {name: value for name, value in question.train.items() if name != "seed"}
    return f"training with {of(settings)}" if settings else "training with the default configuration"


def in_time(answer: Tensors) -> Tensors:
    """A run in the order in which it happens, so that the first difference is where two runs part.

    For each step its losses, in the precision that they were computed in, and its gradients; at the end the parameters,
    and what the model says of other batches, before and after it is trained again.
    """
    losses = {name: _narrowed(array) for name, array in answer.items() if name in LOSSES}
    gradients: dict[int, dict[str, Array]] = defaultdict(dict)
    for name in answer:
        if name.startswith("grad."):
            _, call, parameter = name.split(".", 2)
            gradients[int(call)][f"step {call}: the gradient of {parameter}"] = answer[name]
    seen: dict[str, Array] = {}
    for step in range(len(losses["loss"])):
        seen |= {f"step {step}: {name}": series[step] for name, series in losses.items()}
        seen |= gradients[step]
    for name in answer:
        if name.startswith("param."):
            seen[f"{LAST}: {name.split('.', 2)[2]}"] = answer[name]
    for name in answer:
        if name.startswith("held_out."):
            _, when, batch = name.split(".")
            seen[f"{LAST}{AGAIN * int(when)}, {UNSEEN}: the logits of batch {batch}"] = answer[name]
        elif name.startswith("again."):
            series = _narrowed(answer[name])
            seen |= {f"{LAST}{AGAIN}: {name.removeprefix('again.')} of step {i}": each for i, each in enumerate(series)}
    return seen


def _narrowed(losses: Array) -> Array:
    """In float32 where that holds them: there a unit in the last place means something."""
    with np.errstate(all="ignore"):  # a loss may be anything
        narrow = losses.astype(np.float32)
    return narrow if np.array_equal(narrow, losses, equal_nan=True) else losses


def meaning(tensor: str) -> str:
    """What it tells where two runs part."""
    if "gradient" in tensor:
        return " (the losses up to there agree: the backward pass or the clip differs)"
    if tensor.startswith("step 0:"):
        return " (before any update: the first batch, the initial parameters or the loss differs)"
    if tensor.startswith("step"):
        return " (the update in the step before, or the batch of this step, differs)"
    if AGAIN in tensor:
        return " (the whole run before it agrees: something of it is kept, or the second run starts otherwise)"
    if UNSEEN in tensor:
        return " (the parameters agree: the model is another one in evaluation once it was trained)"
    return " (the last update differs)"


def agree(answer: Tensors, expected: Tensors) -> bool:
    """In float64: losses as far as rounding grows, gradients as far as another clip moves them, parameters roughly."""
    return losses_agree(answer, expected) and _agree_among(
        answer, {name: array for name, array in expected.items() if name.startswith(LAST)}, PARAMETERS
    )


def losses_agree(answer: Tensors, expected: Tensors) -> bool:
    """The same without the parameters: where the softmax is in float32 on purpose, those whose gradient is nothing but
    rounding go their own way."""
    if answer.keys() != expected.keys():
        return False
    for name, wanted in expected.items():
        if name.endswith("loss"):
            early = int(name.removeprefix("step ").split(":")[0]) < EARLY
            if not close(answer[name], wanted, f"{'early ' if early else ''}losses of a run, float64"):
                return False
    gradients = {name: array for name, array in expected.items() if not name.endswith("loss")}
    return _says_alike(answer, expected) and _agree_among(
        answer, {name: array for name, array in gradients.items() if not name.startswith(LAST)}, CLIP
    )


def _says_alike(answer: Tensors, expected: Tensors) -> bool:
    """Whether two trained models say about the same of other batches: rounding grows in a run, and in another one."""
    return _agree_among(answer, {name: array for name, array in expected.items() if UNSEEN in name}, ROUGHLY)


def _agree_among(answer: Tensors, expected: Tensors, slack: float) -> bool:
    """Whether tensors agree, each measured by its largest value, or by a share of the largest of its moment."""
    largest: dict[str, float] = defaultdict(float)
    for name, wanted in expected.items():
        if wanted.ndim:
            largest[_moment(name)] = max(largest[_moment(name)], _size(wanted))
    return all(
        answer[name].shape == wanted.shape
        and _size(answer[name] - wanted) <= slack * max(_size(wanted), NOISE * largest[_moment(name)])
        for name, wanted in expected.items()
    )


def _moment(name: str) -> str:
    """``step 3`` of ``step 3: the gradient of head.weight``."""
    return name.split(": ")[0]


def _size(array: Array) -> float:
    """The largest absolute value."""
    return float(np.max(np.abs(array), initial=0.0))


def nearly(answer: Tensors, expected: Tensors) -> bool:
    """In float32: losses, of which rounding takes more with every step, and what the model says of other batches."""
    return (
        answer.keys() == expected.keys()
        and _says_alike(answer, expected)
        and all(
            close(answer[name], wanted, "losses of a run, float32")
            for name, wanted in expected.items()
            if name.endswith("loss")
        )
    )


LANES: Final = ((Lane.FLOAT64, agree), (Lane.FLOAT32, losses_agree))


def _own_run_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One run of the candidate's own model at the default configuration: seeding, batches, optimizer and loop are its.

    All of its steps, as ``python train.py`` runs it; nothing watches it. It is the same run in every grade, so that
    where the reference's answers are kept, this one is known.
    """
    return [(TwinRun(config={}, train={}, precision=precision, held_out=2), {})]


OWN_RUN: Final = Comparison(
    id="own-run",
    questions=_own_run_questions,
    describe=describe,
    lanes=LANES,
    nearly=nearly,
    meaning=meaning,
    steady=in_time,
    after=("many-sizes", "changing-modes", "gradients", "derivatives"),
)


def _larger_run_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """A few steps at sizes beyond the default, drawn for each grade, with the gradients of some of the steps."""
    draw = np.random.default_rng(seeds.derive("larger run"))
    vocabulary = int(draw.integers(17, 33))  # below the width: targets fit logits of either size
    config, rows, length = drawn_sizes(draw, length=(33, 45), rows=(17, 23), width=(33, 40), layers=(3, 4))
    steps = int(draw.integers(5, 8))
    question = TwinRun(
        config=config,
        train={
            "vocab_size": vocabulary,
            "seq_len": length,
            "batch_size": rows,
            "steps": steps,
            "seed": drawn_seed(draw),
        },
        precision=precision,
        watched=(0, int(draw.integers(1, steps - 1)), steps - 1),
        held_out=2,
        again=2,
    )
    return [(question, {})]


LARGER_RUN: Final = Comparison(
    id="larger-run",
    questions=_larger_run_questions,
    describe=describe,
    lanes=LANES,
    nearly=nearly,
    meaning=meaning,
    steady=in_time,
    after=("larger-sizes", "own-run"),
)


MODES: Final = (True, False, True)
RARELY: Final = 0.2  # of what is dropped less often, the spread is too uncertain
FEW: Final = 5  # rows that have the same tokens
MANY: Final = 2048  # as many draws of what dropout may do to them
LENGTHS: Final = (3, 11)
VOCABULARY: Final = 7
ATTENTION: Final = ("attn.proj.weight", "attn.proj.bias")
MLP: Final = ("mlp.proj.weight", "mlp.proj.bias")
PARTS: Final = ((), ATTENTION, MLP, (*ATTENTION, *MLP))  # that are silenced


def _dropout_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """A few rows and a short run, for bits. In float64 one text many times over: whole, and with parts of the blocks
    silenced, so that what the others drop stands out."""
    draw = np.random.default_rng(seeds.derive("dropout"))
    dropout = round(float(draw.choice((draw.uniform(0.05, 0.2), draw.uniform(0.2, 0.6)))), 3)
    rows = FEW if precision == "float32" else MANY
    dropout = dropout if precision == "float32" else max(dropout, RARELY)
    length = int(draw.integers(*LENGTHS, endpoint=True))
    tokens = np.repeat(draw.integers(0, VOCABULARY, (1, length)), rows, axis=0)
    asked: list[Asked] = [
        (
            Forward(
                config={
                    "vocab_size": VOCABULARY,
                    "block_size": length + 1,
                    "n_layer": 2,
                    "d_model": 8,
                    "dropout": dropout,
                },
                weights=Weights(seeds.derive("weights", "dropout"), factors=dict.fromkeys(silent, 0.0)),
                precision=precision,
                modes=MODES,
                recording=True,
                seed=drawn_seed(draw),
            ),
            {f"tokens.{i}": tokens for i in range(len(MODES))},
        )
        for silent in (PARTS if precision == "float64" else PARTS[:1])
    ]
    short = TwinRun(
        config={"block_size": 2 * length + int(draw.integers(3)), "n_layer": 2, "d_model": 12, "dropout": dropout},
        train={"vocab_size": 9, "seq_len": 2 * length, "batch_size": 5, "steps": 8, "seed": drawn_seed(draw)},
        precision=precision,
        held_out=2,
        again=2,
    )
    return asked if precision == "float64" else [*asked, (short, {})]


def _describe_dropout(question: AnyQuestion) -> str:
    """``training mode and evaluation with dropout=0.2, ...``."""
    if isinstance(question, TwinRun):
        return describe(question)
    assert isinstance(question, Forward)
    return f"training mode and evaluation in turn, with {of(question.config)}"


def _steady_dropout(answer: Tensors) -> Tensors:
    """A run in its order, and logits as they are."""
    return in_time(answer) if "loss" in answer else answer


def _meaning_dropout(tensor: str) -> str:
    """What it tells where two runs part."""
    return "" if tensor.startswith("logits") else meaning(tensor)


def alike_when_dropped(tolerance: str) -> Agree:
    """Whether logits are as in evaluation where nothing is dropped, and spread alike, and anew, where it is."""

    def agree(answer: Tensors, expected: Tensors) -> bool:
        if answer.keys() != expected.keys():
            return False
        first, evaluated, again = ((answer[f"logits.{i}"], expected[f"logits.{i}"]) for i in range(len(MODES)))
        is_new = not same_bits(first[0], again[0]) or same_bits(first[1], again[1])
        return is_new and close(*evaluated, tolerance) and spread_alike(*first) and spread_alike(*again)

    return agree


DROPOUT: Final = Comparison(
    id="dropout",
    questions=_dropout_questions,
    describe=_describe_dropout,
    lanes=(
        (Lane.FLOAT64, alike_when_dropped("logits, float64")),
        (Lane.FLOAT32, alike_when_dropped("logits, softmax in float32")),
    ),
    meaning=_meaning_dropout,
    steady=_steady_dropout,
    after=("changing-modes", "derivatives"),
)
