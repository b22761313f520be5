"""evaluate() reports the true loss and accuracy, and leaves the model as it found it.

## Why it matters
Evaluation runs in the middle of training. If it leaves the model in eval mode, clears gradients or draws
random numbers, the training after it is another one.

## Usual causes
- The model is left in eval mode, or always put into training mode.
- Gradients are computed, or cleared.
- Accuracy is averaged over the wrong axis, or counted for the LM targets.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.classifier.cases import ClassCase, class_case, class_cases
from grader.checks.classifier.combined_loss import agrees, cross_entropy
from grader.checks.compare import same_bits
from grader.checks.determinism.forward_leaves_no_trace import forward_is_to_blame
from grader.checks.grids import logits_of
from grader.checks.strategies import FEW
from grader.extent import Extent, at_most
from grader.sandbox.questions import Evaluate
from grader.sandbox.wire import Array, Tensors

BATCHES = 3


def holds(case: ClassCase, context: Context) -> None:
    """The report beside the grader's own numbers, and the state before beside the state after."""
    random = np.random.default_rng(context.seeds.derive("evaluate", case.data))
    shape = (BATCHES, *case.token_array().shape)
    tensors = {
        "tokens": random.integers(0, case.vocab_size, shape),
        "targets": random.integers(0, case.scored, shape),
        "labels": random.integers(0, case.n_classes, shape),
    }
    headless = Evaluate(config=case.headless, weights=case.seeded(context.seeds), training=True, classify=False)
    plain = context.ask(headless, tensors)
    if "class_accuracy" in plain:
        raise CheckFailed("no-head", "without a head, class_accuracy is None", "evaluate reports a number")
    if not agrees(float(plain["lm_loss"]), cross_entropy(plain["logits"], tensors["targets"])):
        raise CheckFailed("lm-loss", "lm_loss is the mean cross entropy over all batches", "it is another number")
    one_class = tensors | {"labels": np.zeros(shape, dtype=np.int64)}
    single = Evaluate(config=case.config | {"n_classes": 1}, weights=case.seeded(context.seeds), training=True)
    _judge_report(context.ask(single, one_class), one_class)
    for training in (True, False) if len(case.tokens) <= FEW else (True,):
        question = Evaluate(config=case.config, weights=case.seeded(context.seeds), training=training)
        answer = context.ask(question, tensors)
        _judge_report(answer, tensors)
        try:
            _judge_state(answer, training)
        except CheckFailed:
            if not forward_is_to_blame(case.headless, case.seeded(context.seeds), case.token_array(), context):
                raise


def short_texts(extent: Extent) -> ClassCase:
    """Many rows of a few tokens, since several batches are asked about several times."""
    return class_case(at_most(extent, tokens=4, layers=1))


def _judge_report(answer: Tensors, tensors: Tensors) -> None:
    loss = cross_entropy(answer["logits"], tensors["targets"])
    if not agrees(float(answer["lm_loss"]), loss):
        raise CheckFailed(
            "lm-loss",
            "lm_loss is the mean cross entropy over all batches",
            f"evaluate says {float(answer['lm_loss'])!r}; from the logits it is {loss!r}",
        )
    accuracy = float((logits_of(answer, "class_logits", tensors["labels"]).argmax(axis=-1) == tensors["labels"]).mean())
    claim = "class_accuracy is the share of tokens whose highest class logit is their label"
    if "class_accuracy" not in answer:
        raise CheckFailed("class-accuracy", claim, "evaluate says None for a model that has a head")
    # A mean taken in float32 is as honest as one in float64.
    if not abs(float(answer["class_accuracy"]) - accuracy) <= 1e-6:
        said = float(answer["class_accuracy"])
        raise CheckFailed("class-accuracy", claim, f"evaluate says {said!r}; from the logits it is {accuracy!r}")


def _judge_state(answer: Tensors, training: bool) -> None:
    mode = "training" if training else "eval"
    for name in (name for name in answer if name.startswith("before.")):
        what = name.removeprefix("before.")
        after: Array | None = answer.get(f"after.{what}")
        if after is None or not same_bits(after, answer[name]):
            words = {"mode": "its mode", "rng": "the random generator's state"}.get(what, what)
            raise CheckFailed(
                "state",
                "evaluate leaves mode, parameters, gradients and random state as they were",
                f"the model was in {mode} mode; evaluate changed {words}",
            )


CHECK = Check(
    id="evaluate-is-honest",
    needs=("forward-runs",),
    cases=class_cases(),
    holds=holds,
    at_size=short_texts,
    examples=2,
)
