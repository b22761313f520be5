"""make_batch draws from the generator that it is given, and goes on where that stands.

## Why it matters
Whoever hands over a generator decides what is drawn. Numbers from anywhere else make runs differ that should agree; a
generator that is turned back makes batches agree that should differ.

## Usual causes
- Something is drawn without naming the generator, from the one that all of torch shares.
- The generator is seeded again on the way.
- A generator of make_batch's own is used.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import same_bits
from grader.checks.training.cases import TrainCase, train_cases
from grader.checks.training.snippets import config_of
from grader.sandbox.questions import MakeBatch


def holds(case: TrainCase, context: Context) -> None:
    """Batches from two generators of one seed, from one of another seed, and from the first once more."""
    answer = context.ask(MakeBatch(train=case.config, seed=context.seeds.derive("make batch", case.data) % 2**31), {})
    first, twin, other, second = (answer[f"tokens.{i}"] for i in range(4))
    if not same_bits(twin, first):
        raise CheckFailed(
            "not-from-it", "generators of the same seed give the same batch", "from two of one seed the tokens differ"
        )
    if same_bits(other, first):
        raise CheckFailed(
            "seed-unheard", "generators of other seeds give other batches", "from two seeds the tokens are the same"
        )
    if same_bits(second, first):
        raise CheckFailed(
            "turned-back", "one generator gives one batch after another", "its second batch is its first again"
        )


def snippet(case: TrainCase) -> str:
    """The same four batches by hand."""
    return f"""import torch
from train import TrainConfig, make_batch

config = {config_of(case)}
generator, twin, other = (torch.Generator().manual_seed(seed) for seed in (1, 1, 2))
first, second = make_batch(config, generator).tokens, make_batch(config, generator).tokens
assert torch.equal(first, make_batch(config, twin).tokens), "the same seed gives another batch"
assert not torch.equal(first, make_batch(config, other).tokens), "another seed gives the same batch"
assert not torch.equal(first, second), "the second batch is the first again"
"""


CHECK = Check(
    id="batches-follow-the-generator",
    # Rows enough that no two batches are the same by chance.
    cases=train_cases(vocab_size=(7, 9), batch_size=(12,)),
    holds=holds,
    snippet=snippet,
    examples=2,
)
