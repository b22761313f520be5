"""Sinusoidal positions are what learned ones would be with the table of sines and cosines.

## Why it matters
The table is a formula, so that nothing has to be stored or trained: channel 2i is sin(p / 10000^(2i/C)) and channel
2i + 1 the cosine of the same angle. Any other table works about as well, and is another model.

## Usual causes
- All sines come first and all cosines after them, instead of in turn.
- The exponent counts channels where it should count pairs of them, or the base is another.
- Sines and cosines of a pair have different angles.
- The table is scaled, or stands in the place of the tokens' embedding instead of being added to it.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.grids import beyond_rounding
from grader.checks.schemes.agreement import compare, right_ones
from grader.checks.schemes.cases import SchemeCase, scheme_cases, with_scheme
from grader.checks.snippets import model_snippet
from grader.checks.strategies import extended
from grader.result.record import TokenGrid
from grader.sandbox.questions import Forward
from grader.sandbox.wire import Array

POSITION = "sinusoidal"


def holds(case: SchemeCase, context: Context) -> None:
    """The candidate's logits with sinusoidal positions, beside its own with learned positions and that table."""
    case = extended(case, SchemeCase, n_head=1)
    weights, tokens = case.seeded(context.seeds), case.token_array()
    sinusoidal = Forward(config=with_scheme(case.config, POSITION), weights=weights)
    same = context.variant.ask(sinusoidal, {"tokens.0": np.zeros_like(tokens)})["logits.0"]
    if not beyond_rounding(same[:, 1:], same[:, :1]).any():
        raise CheckFailed("not-heard", "positions reach the logits", "no position does, whatever the table is")
    given = {"tokens.0": tokens}
    learned = Forward(config=case.config, weights=weights)
    by_formula = {**given, "position_table": table(case.block_size, case.d_model)}
    compare(
        context,
        context.ask(sinusoidal, given)["logits.0"],
        context.ask(learned, by_formula)["logits.0"],
        *(right.ask(sinusoidal, given)["logits.0"] for right in right_ones(context)),
        claim="sinusoidal positions give the logits that learned ones give with the table of the formula",
        seen="with position='sinusoidal' the logits are others (in float64, beyond rounding)",
        grid=TokenGrid(tokens=case.tokens),
    )


def table(block_size: int, d_model: int) -> Array:
    """(block_size, C): sines in even channels, cosines in odd ones."""
    channel = np.arange(d_model)
    angle = np.arange(block_size)[:, None] / 10000.0 ** (channel // 2 * 2 / d_model)
    return np.where(channel % 2 == 0, np.sin(angle), np.cos(angle))


def snippet(case: SchemeCase) -> str:
    """Put the table into a model with learned positions."""
    return model_snippet(
        extended(case, SchemeCase, n_head=1),
        f"""
sinusoidal = GPT(GPTConfig(**{{**vars(model.config), "position": "sinusoidal"}})).double().eval()
weights = model.state_dict()
for name, p in sinusoidal.named_parameters():
    p.copy_(weights[name])
channel = torch.arange({case.d_model})
angle = torch.arange({case.block_size}).double()[:, None] / 10000.0 ** (channel // 2 * 2 / {case.d_model})
model.position_embedding.weight.copy_(torch.where(channel % 2 == 0, angle.sin(), angle.cos()))
difference = (sinusoidal(tokens) - model(tokens)).abs().amax(dim=(0, 2))
print(difference)  # one number a position
assert (difference <= 1e-4).all(), "the table is another"
""",
    )


CHECK = Check(
    id="sinusoidal-by-formula",
    cases=scheme_cases(lengths=(3, 6)),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs",),
    examples=3,
)
