"""The batches that train() makes for itself come from make_batch and one generator, seeded with config.seed.

## Why it matters
Two runs of one configuration must see the same data, and two seeds must not: else the spread over seeds, which says how
far a result can be trusted, is no spread at all.

## Usual causes
- The generator is seeded with a number of its own.
- Batches are drawn from a generator that was not seeded.
- One batch is made and repeated, or each is made from a generator that was seeded again.
"""

from itertools import zip_longest

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import same_bits
from grader.checks.training.cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.checks.training.snippets import training_snippet
from grader.sandbox.questions import WatchedTraining
from grader.sandbox.wire import Array, Tensors


def holds(case: TrainCase, context: Context) -> None:
    """What a stand-in is given to read: with one seed twice, then with another; and what make_batch makes."""
    question, batches = _question(case, context, case.data), case.batches(context.seeds)
    answer = context.ask(question, batches)
    first, expected = _tokens(answer, "read"), _tokens(answer, "made")
    again, other = (
        _tokens(context.ask(_question(case, context, seed), batches), "read") for seed in (case.data, case.data + 1)
    )
    if _differing(again, first) is not None:
        raise CheckFailed(
            "unsteady",
            "train() makes the same batches for the same config.seed",
            f"with seed={case.data} a second run has other tokens",
        )
    if _differing(other, first) is None:
        raise CheckFailed(
            "same-for-all",
            "train() makes other batches for another config.seed",
            f"the tokens with seed={case.data} and seed={case.data + 1} are the same",
        )
    step = _differing(first, expected)
    if step is not None:
        raise CheckFailed(
            "other-batches",
            "train() makes its batches with make_batch(config, generator), one after another, from one generator that "
            "was seeded with config.seed",
            f"with seed={case.data} the batch of step {step} is another one",
        )


def _question(case: TrainCase, context: Context, seed: int) -> WatchedTraining:
    return WatchedTraining(
        train=case.config | {"seed": seed},
        width=STAND_IN_WIDTH,
        weights=case.weights(context.seeds),
        own_batches=True,
    )


def _tokens(answer: Tensors, kind: str) -> list[Array]:
    """The batches that were read, or made, in their order; one that is read twice in a row is one."""
    read = [answer[f"{kind}.{i}"] for i in range(sum(name.startswith(f"{kind}.") for name in answer))]
    return [tokens for i, tokens in enumerate(read) if i == 0 or not same_bits(tokens, read[i - 1])]


def _differing(batches: list[Array], others: list[Array]) -> int | None:
    """The first step whose batch is another one, if there is one."""
    pairs = enumerate(zip_longest(batches, others))
    return next((i for i, (one, other) in pairs if one is None or other is None or not same_bits(one, other)), None)


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
    cases=train_cases(vocab_size=(7, 9), batch_size=(8,), steps=(4,)),
    holds=holds,
    snippet=snippet,
    examples=2,
)
