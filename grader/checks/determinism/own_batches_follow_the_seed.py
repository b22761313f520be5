"""The batches that train() makes for itself depend on config.seed, and on nothing else.

## Why it matters
Two runs of one configuration must see the same data, and two seeds must not: else the spread over seeds, which says how
far a result can be trusted, is no spread at all.

## Usual causes
- The generator is seeded with a number of its own.
- Batches are drawn from a generator that was not seeded.
"""

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.training.cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.checks.training.snippets import training_snippet
from grader.compare import same_bits
from grader.sandbox.questions import TrainSteps
from grader.sandbox.wire import Array


def holds(case: TrainCase, bench: Bench) -> None:
    """One seed twice, then another: the losses of runs that start from the same model."""
    first, again, other = (_losses(case, bench, seed) for seed in (case.data, case.data, case.data + 1))
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


def _losses(case: TrainCase, bench: Bench, seed: int) -> Array:
    question = TrainSteps(
        train=case.config | {"seed": seed},
        width=STAND_IN_WIDTH,
        weights=case.weights(bench.seeds),
        whole=True,
        own_batches=True,
    )
    return bench.ask(question, case.batches(bench.seeds))["losses"]


def snippet(case: TrainCase) -> str:
    """The same three runs by hand."""
    return training_snippet(
        case,
        """
from copy import deepcopy
from dataclasses import replace

from train import train

losses = [train(deepcopy(model), replace(config, seed=seed))[0]["loss"] for seed in (1, 1, 2)]
print(losses)
assert losses[0] == losses[1], "the same seed gives other batches"
assert losses[0] != losses[2], "another seed gives the same batches"
""",
    )


CHECK = Check(
    id="own-batches-follow-the-seed",
    # Rows enough that no two batches are the same by chance.
    cases=train_cases(vocab_size=(7, 9), batch_size=(8,), steps=(2,)),
    holds=holds,
    snippet=snippet,
    examples=2,
)
