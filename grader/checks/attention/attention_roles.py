"""Each map of attention has a part of its own: with one of them silent, what it is needed for is gone.

## Why it matters
Queries, keys, values and output are four maps of one shape. If two change places, or one stands in for another,
nothing crashes and the model trains. It shows when weights are loaded, or when another path does it right.

## Usual causes
- A line was copied and one name in it was not changed.
- Arguments are passed in another order than they are taken.
- What attention returns does not go through its output map.
"""

from typing import Final

from grader.checks.ablation import Factors, logits_with
from grader.checks.cache.agreement import closeness
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_cases
from grader.result.record import TokenGrid

QUERIES: Final[Factors] = {"attn.query.weight": 3.0, "attn.query.bias": 0.5}
KEYS: Final[Factors] = {"attn.key.weight": 0.5, "attn.key.bias": 3.0}
VALUES: Final[Factors] = {"attn.value.weight": 3.0, "attn.value.bias": 2.0}

# What is silenced, what is changed then, and why that must not matter.
ROLES: Final[tuple[tuple[Factors, Factors, str], ...]] = (
    (
        {"attn.proj.weight": 0.0},
        {**QUERIES, **KEYS, **VALUES},
        "with a zero proj.weight nothing that attention gathers reaches the stream",
    ),
    (
        {"attn.value.weight": 0.0, "attn.value.bias": 0.0},
        {**QUERIES, **KEYS},
        "with all values zero it does not matter who attends to whom",
    ),
    (
        {"attn.key.weight": 0.0},
        {**QUERIES, "attn.key.bias": 3.0},
        "with a zero key.weight all keys are alike, and no query can tell them apart",
    ),
)


def holds(case: ModelCase, context: Context) -> None:
    """For each map: silenced, the others may have other weights, and the logits stay."""
    for silenced, changed, claim in ROLES:
        before = logits_with(case, context, silenced)
        after = logits_with(case, context, {**silenced, **changed})
        if closeness(after, before) is None:
            maps = sorted({name.split(".")[1] for name in changed})
            raise CheckFailed(
                f"{next(iter(silenced))} stands alone",
                claim,
                f"with {' and '.join(silenced)} zero, other weights in {', '.join(maps)} gave other logits",
                grid=TokenGrid(tokens=case.tokens),
            )


def snippet(case: ModelCase) -> str:
    """Silence one map after the other and change the rest."""
    return model_snippet(
        case,
        """
from copy import deepcopy

for silent, others in [("proj", ("query", "key", "value")), ("value", ("query", "key")), ("key", ("query",))]:
    silenced = deepcopy(model)
    for block in silenced.blocks:
        getattr(block.attn, silent).weight.zero_()
        if silent == "value":
            block.attn.value.bias.zero_()
    changed = deepcopy(silenced)
    for block in changed.blocks:
        for name in others:
            getattr(block.attn, name).weight.mul_(3)
    moved = (changed(tokens) - silenced(tokens)).abs().max()
    print(silent, float(moved))
    assert moved <= 1e-5, f"without {silent}, {' and '.join(others)} cannot matter"
""",
    )


CHECK = Check(
    id="attention-roles",
    cases=model_cases(),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "parameter-shapes"),
    examples=3,
)
