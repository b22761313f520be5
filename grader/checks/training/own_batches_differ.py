"""train() without batches makes a new one for each step.

## Why it matters
A model that sees one batch again and again learns that batch by heart, and its loss falls as never before. On any other
it is as bad as one that guesses.

## Usual causes
- One batch is made, and used or listed as often as there are steps.
- The generator is made, or seeded, anew for each batch.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.training.cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.checks.training.snippets import training_snippet
from grader.sandbox.questions import TrainSteps

STILL = 1e-12  # a learning rate at which a model keeps its losses, so that they tell batches apart


def holds(case: TrainCase, context: Context) -> None:
    """The losses of one and the same model on each batch: two that are equal are of one batch."""
    question = TrainSteps(
        train=case.config,
        width=STAND_IN_WIDTH,
        weights=case.weights(context.seeds),
        precision="float64",
        whole=True,
        own_batches=True,
    )
    losses = context.ask(question, case.batches(context.seeds))["losses"]
    gaps = np.abs(losses[:, None] - losses[None]) + np.eye(len(losses))
    if not gaps.min() > 1e-9:
        first, second = sorted(np.unravel_index(gaps.argmin(), gaps.shape))
        raise CheckFailed(
            "same-batch",
            "train() without batches makes a new one for each step",
            f"a model that hardly moves has the same loss in steps {first} and {second}: {float(losses[first])!r}",
        )


def snippet(case: TrainCase) -> str:
    """Train so slowly that only the batches differ."""
    return training_snippet(
        case,
        """
from train import train

losses = [record["loss"] for record in train(model.double(), config)]
print(losses)
assert max(losses) - min(losses) > 1e-9, "all batches are the same"
""",
    )


CHECK = Check(
    id="own-batches-differ",
    # Rows enough that no two batches are the same by chance.
    cases=train_cases(vocab_size=(7, 9), batch_size=(8,), steps=(4,), lr=(STILL,), weight_decay=(0.0,)),
    holds=holds,
    snippet=snippet,
    examples=2,
)
