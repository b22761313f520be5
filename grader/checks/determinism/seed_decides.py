"""seed_everything(seed) seeds torch and Python's random with that seed.

## Why it matters
Without it no run can be repeated, and a bug that shows once in a while cannot be chased. With a seed that is always the
same, runs that should be independent are one and the same run.

## Usual causes
- One generator is seeded, and the other is not.
- The seed that is used is not the one that was passed in.
"""

from hypothesis import strategies as st
from msgspec import Struct

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import same_bits
from grader.sandbox.questions import SeededDraws, Settings


class SeedCase(Struct, frozen=True, kw_only=True):
    """Two seeds that are not the same."""

    seed: int
    other: int

    @property
    def config(self) -> Settings:
        """There is nothing to configure."""
        return {}


def holds(case: SeedCase, context: Context) -> None:
    """One seed, another, and the first again."""
    first, other, again = (
        context.ask(SeededDraws(seed=seed), {})["torch"] for seed in (case.seed, case.other, case.seed)
    )
    if not same_bits(again, first):
        raise CheckFailed(
            "unsteady",
            "after seed_everything(seed) torch draws the same numbers each time",
            f"after seed_everything({case.seed}) it draws others the second time",
        )
    if same_bits(other, first):
        raise CheckFailed(
            "same-for-all",
            "another seed gives other numbers",
            f"torch draws the same after seed_everything({case.seed}) and after seed_everything({case.other})",
        )
    _as_seeded(case.seed, context)


def _as_seeded(seed: int, context: Context) -> None:
    answer, expected = context.both(SeededDraws(seed=seed), {})
    for name, words in (("torch", f"torch.manual_seed({seed})"), ("python", f"random.seed({seed})")):
        if not same_bits(answer[name], expected[name]):
            raise CheckFailed(
                f"other-{name}",
                f"after seed_everything({seed}) {name.capitalize() if name == 'python' else name} draws what it draws "
                f"after {words}",
                "it draws other numbers",
            )


def snippet(case: SeedCase) -> str:
    """The same by hand."""
    return f"""import random

import torch
from train import seed_everything

drawn = []
for seed in ({case.seed}, {case.other}, {case.seed}):
    seed_everything(seed)
    drawn.append(torch.rand(4))
    print(seed, drawn[-1])
    assert random.random() == random.Random(seed).random(), "Python's random is not seeded with the seed"
    assert torch.equal(drawn[-1], torch.rand(4, generator=torch.Generator().manual_seed(seed))), "nor is torch"
assert torch.equal(drawn[0], drawn[2]), "the same seed gives other numbers"
assert not torch.equal(drawn[0], drawn[1]), "another seed gives the same numbers"
"""


CHECK = Check(
    id="seed-decides",
    cases=st.builds(SeedCase, seed=st.integers(0, 999), other=st.integers(1000, 1999)),
    holds=holds,
    snippet=snippet,
    examples=2,
)
