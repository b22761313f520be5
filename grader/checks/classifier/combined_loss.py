"""The loss is the LM loss plus class_weight times the cross entropy of the classes.

## Why it matters
Two objectives share one set of weights. A wrong factor, or a wrong mean, silently shifts the balance
between them.

## Usual causes
- class_weight is left out, or applied to both parts.
- The mean runs over the wrong axis, or over the batch only.
- A softmax is taken before the cross entropy.
"""

import numpy as np

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.classifier.cases import ClassCase, broad_class_case, class_cases
from grader.compare import TOLERANCES
from grader.sandbox.questions import Loss
from grader.sandbox.wire import Array, Tensors
from grader.strategies import FEW

WEIGHT = 0.37


def training_tensors(case: ClassCase, seed: int) -> dict[str, Array]:
    """The case's tokens with random targets and labels, each int64 (B, T)."""
    random, tokens = np.random.default_rng(seed), case.token_array()
    return {
        "tokens": tokens,
        "targets": random.integers(0, case.scored, tokens.shape),
        "labels": random.integers(0, case.n_classes, tokens.shape),
    }


def holds(case: ClassCase, bench: Bench) -> None:
    """Every part by its formula, from the candidate's own logits."""
    tensors = training_tensors(case, bench.seeds.derive("labels", case.data))
    for weight in (WEIGHT, 0.0) if case.length <= FEW else (WEIGHT,):
        question = Loss(config=case.config, weights=case.seeded(bench.seeds), class_weight=weight)
        _judge(weight, bench.ask(question, tensors), tensors)


def _judge(weight: float, answer: Tensors, tensors: Tensors) -> None:
    if ("class" in answer) != (weight != 0):
        raise Counterexample(
            "class-loss-none",
            "the class loss is None exactly when class_weight is 0",
            f"with class_weight={weight} it is {'a number' if 'class' in answer else 'None'}",
        )
    parts = {"lm": cross_entropy(answer["logits"], tensors["targets"])}
    parts["total"] = parts["lm"]
    if weight:
        parts["class"] = cross_entropy(answer["class_logits"], tensors["labels"])
        parts["total"] = parts["lm"] + weight * parts["class"]
    words = {
        "lm": "the LM loss is the mean cross entropy",
        "class": "the class loss is the mean cross entropy",
        "total": "total = LM loss + class_weight * class loss",
    }
    for name in ("lm", "class", "total"):
        if name in parts and not agrees(float(answer[name]), parts[name]):
            raise Counterexample(
                f"loss-{name}",
                words[name],
                f"with class_weight={weight} the {name} loss is {float(answer[name])!r}; from the logits it is "
                f"{parts[name]!r}",
            )


def agrees(actual: float, expected: float) -> bool:
    """Whether two float64 losses are equal up to the order of summation; NaN is NaN."""
    if not (np.isfinite(actual) and np.isfinite(expected)):
        return np.array_equal(actual, expected, equal_nan=True)
    return abs(actual - expected) <= TOLERANCES["scalar loss, float64"].relative * max(1.0, abs(expected))


def cross_entropy(logits: Array, targets: Array) -> float:
    """Mean of -log softmax(logits)[target]: logits (..., V), targets int64 (...)."""
    if logits.shape[:-1] != targets.shape or not targets.max() < logits.shape[-1] or logits.dtype.kind != "f":
        raise Counterexample(
            "shape",
            "there is one vector of scores for each target",
            f"{logits.dtype} of shape {tuple(logits.shape)} for targets of shape {tuple(targets.shape)}",
        )
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_normaliser = np.log(np.exp(shifted).sum(axis=-1))
    chosen = np.take_along_axis(shifted, targets[..., None], axis=-1)[..., 0]
    return float((log_normaliser - chosen).mean())


CHECK = Check(
    id="combined-loss",
    needs=("forward-runs",),
    cases=class_cases(),
    holds=holds,
    at_size=broad_class_case,
    examples=3,
)
