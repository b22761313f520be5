"""No gradient flows from a position's logits to a later token.

## Why it matters
The gradient is how a model learns. If it reaches a later token, training will use that path: the model
learns to look ahead, and loses it when it has to generate.

## Usual causes
- The mask lets a position see its successor.
- The mask is applied after the softmax: hidden scores still shift the others.
- A mean, a norm or a softmax runs over the time axis.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import finite
from grader.checks.drawn_scale import drawn_scale
from grader.checks.grids import places
from grader.checks.masking import future_is_hidden
from grader.checks.snippets import model_snippet
from grader.checks.strategies import FEW, ModelCase, model_case, model_cases
from grader.extent import Extent, at_most
from grader.result.record import TokenGrid
from grader.sandbox.questions import Influence


def holds(case: ModelCase, context: Context) -> None:
    """The influence matrix is exactly zero above its diagonal; of a long text, in a few of its rows."""
    at = () if case.length <= FEW else (case.length // 3, case.length - 2)
    weights = case.seeded(context.seeds, scale=drawn_scale(case))
    question = Influence(config=case.config, weights=weights, at=at)
    influence = context.ask(question, {"tokens": case.token_array()})["influence"]
    if not finite(influence):
        raise CheckFailed("not-finite", "gradients are finite", "some gradient is NaN or infinite")
    leaks = np.argwhere(np.triu(influence != 0.0, k=1))
    if len(leaks):
        t, s = (int(i) for i in leaks[0])
        raise CheckFailed(
            "gradient-leak",
            "d logits[t] / d embedding of the token at s is exactly zero for s > t",
            f"the gradient of the logits at position {t} reaches the token at position {s}",
            grid=TokenGrid(
                tokens=case.tokens,
                named=((0, s),),
                moved=tuple(places(influence[None, :, s] != 0.0)),
                wrong=tuple(places(influence[None, :s, s] != 0.0)),
            ),
        )


def one_row(extent: Extent) -> ModelCase:
    """One text of these sizes, no token of which occurs twice."""
    return model_case(at_most(extent, rows=1), distinct=True)


def snippet(case: ModelCase) -> str:
    """The gradient of the first position's logits, by token."""
    return model_snippet(
        case,
        """
with torch.enable_grad():
    logits = model(tokens)
    (gradient,) = torch.autograd.grad(logits[0, 0].square().sum(), model.token_embedding.weight)
reach = gradient[tokens[0]].abs().amax(dim=1)  # (T,): how far each token moves position 0
print(reach)
assert not reach[1:].any(), "position 0 depends on a later token"
""",
    )


CHECK = Check(
    id="gradient-is-causal",
    cases=model_cases(rows=(1, 1), distinct=True),
    holds=holds,
    # A gradient can be cut where the influence is not: then the logits still move.
    confirm=future_is_hidden.confirm,
    at_size=one_row,
    snippet=snippet,
    # A head tied to the embedding gives its table a gradient that does not come through the tokens.
    needs=("forward-runs", "parameter-shapes"),
    examples=4,
)
