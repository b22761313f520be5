"""The batches that train() makes for itself come from make_batch and one generator, seeded with config.seed.

## Why it matters
Two runs of one configuration must see the same data, and two seeds must not: else the spread over seeds, which says how
far a result can be trusted, is no spread at all.

## Usual causes
- The generator is seeded with a number of its own.
- Batches are drawn from a generator that was not seeded.
- One batch is made and repeated, or each is made from a generator that was seeded again.
"""

import numpy as np

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.training.cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.checks.training.own_batches_differ import STILL
from grader.checks.training.snippets import training_snippet
from grader.compare import close, same_bits
from grader.sandbox.questions import TrainSteps


def holds(case: TrainCase, bench: Bench) -> None:
    """One seed twice, then another: the losses of runs that start from the same model; and those of right batches."""
    question = _question(case, bench, case.data)
    first, expected = (answer["losses"] for answer in bench.both(question, case.batches(bench.seeds)))
    again, other = (
        bench.ask(_question(case, bench, seed), case.batches(bench.seeds))["losses"]
        for seed in (case.data, case.data + 1)
    )
    if not same_bits(again, first):
        raise Counterexample(
            "unsteady",
            "train() makes the same batches for the same config.seed",
            f"with seed={case.data} a second run has other losses",
        )
    if same_bits(other, first):
        raise Counterexample(
            "same-for-all",
            "train() makes other batches for another config.seed",
            f"the losses with seed={case.data} and seed={case.data + 1} are the same",
        )
    if not close(first, expected, "scalar loss, float32"):
        step = int(np.abs(first - expected).argmax()) if first.shape == expected.shape else 0
        raise Counterexample(
            "other-batches",
            "train() makes its batches with make_batch(config, generator), one after another, from one generator that "
            "was seeded with config.seed",
            f"with seed={case.data} the batch of step {step} is another one",
            expected=str(expected),
        )


def _question(case: TrainCase, bench: Bench, seed: int) -> TrainSteps:
    """A run of a model that hardly moves, so that its losses tell batches apart and nothing else."""
    return TrainSteps(
        train=case.config | {"seed": seed},
        width=STAND_IN_WIDTH,
        weights=case.weights(bench.seeds),
        precision="float64",
        whole=True,
        own_batches=True,
    )


def snippet(case: TrainCase) -> str:
    """The same three runs by hand."""
    return training_snippet(
        case,
        """
from copy import deepcopy
from dataclasses import replace

from train import make_batch, train

losses = [train(deepcopy(model), replace(config, seed=seed))[0]["loss"] for seed in (1, 1, 2)]
print(losses)
assert losses[0] == losses[1], "the same seed gives other batches"
assert losses[0] != losses[2], "another seed gives the same batches"

generator = torch.Generator().manual_seed(config.seed)
given = train(deepcopy(model), config, batches=[make_batch(config, generator) for _ in range(config.steps)])
assert [r["loss"] for r in train(deepcopy(model), config)] == [r["loss"] for r in given], "its batches are others"
""",
    )


CHECK = Check(
    id="own-batches-follow-the-seed",
    # Rows enough that no two batches are the same by chance.
    cases=train_cases(vocab_size=(7, 9), batch_size=(8,), steps=(4,), lr=(STILL,), weight_decay=(0.0,)),
    holds=holds,
    snippet=snippet,
    examples=2,
)
