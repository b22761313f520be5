"""With several heads, each attends by itself, within its own part of the width.

## Why it matters
Heads are there to look at different things at once. Heads that are mixed up still train, so nobody notices, until
weights that were trained elsewhere are loaded and mean nothing.

## Usual causes
- The width is cut into heads by a reshape that does not keep each token's vector together.
- The results of the heads are joined in another order than they were cut in.
- Scores are scaled by the width of the model instead of the width of a head.
- The number of heads comes from another setting, or all heads share what each should have of its own.
"""

from grader.checks.cache.agreement import closeness
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.heads.cases import HeadCase, head_cases
from grader.checks.snippets import model_snippet
from grader.result.record import TokenGrid
from grader.sandbox.questions import Forward


def holds(case: HeadCase, context: Context) -> None:
    """The logits of a model with several heads, in float64, beside those of a right one with the same weights."""
    question = Forward(config=case.config, weights=case.seeded(context.seeds))
    answer, expected = context.both(question, {"tokens.0": case.token_array()})
    lane = closeness(answer["logits.0"], expected["logits.0"])
    if lane is None:
        raise CheckFailed(
            "heads-differ",
            "every head attends with its own rows of the query, key and value weights, and nothing else",
            f"with d_model={case.d_model} and n_head={case.n_head} the logits are others (in float64, beyond rounding)",
            grid=TokenGrid(tokens=case.tokens),
        )
    context.lanes.add(lane)


def snippet(case: HeadCase) -> str:
    """Listen to one head at a time; what the others compute must not matter."""
    return model_snippet(
        case,
        f"""
from copy import deepcopy

for head in range({case.n_head}):
    others = torch.arange({case.d_model}) // {case.d_model // case.n_head} != head  # the channels of the other heads
    heard = deepcopy(model)
    for block in heard.blocks:
        block.attn.proj.weight[:, others] = 0  # nobody listens to them any more
    changed = deepcopy(heard)
    for block in changed.blocks:
        for layer in (block.attn.query, block.attn.key, block.attn.value):
            layer.weight[others] += 1
    moved = (changed(tokens) - heard(tokens)).abs().max()
    print(head, float(moved))
    assert moved <= 1e-9, f"what is heard of head {{head}} depends on the weights of the others"
""",
    )


CHECK = Check(
    id="heads-are-separate",
    cases=head_cases(),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs",),
    examples=6,
)
