"""The logits are finite numbers.

## Why it matters
NaN is no number: it is equal to nothing, larger than nothing, and turns into NaN whatever it touches. A loss that is
NaN trains nothing, and nothing else can be told of a model that gives it.

## Usual causes
- A row of the mask hides everything, the position itself too, and a softmax over nothing is 0 / 0.
- A norm or a mean divides by something that can be zero.
- A logarithm or a root is taken of something that can be zero or less.
"""

from typing import Final

import numpy as np
from msgspec.structs import replace

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.grids import places
from grader.checks.snippets import model_snippet
from grader.compare import finite
from grader.extent import MODEL
from grader.oracle import Trouble
from grader.record import TokenGrid
from grader.sandbox.questions import Forward
from grader.strategies import ModelCase, model_case, model_cases

CLAIM: Final = "every logit is a finite number"


def holds(case: ModelCase, bench: Bench) -> None:
    """One forward in float64: of a row of logits that is not finite, which it is, and which module made it so.

    Logits of another shape or type are for ``forward_runs`` to tell.
    """
    question = Forward(config=case.config, weights=case.seeded(bench.seeds))
    tokens = case.token_array()
    logits = bench.ask(question, {"tokens.0": tokens})["logits.0"]
    if logits.shape[:-1] != tokens.shape or finite(logits):
        return
    strange = np.asarray(~np.isfinite(logits).all(axis=-1))  # (B, T)
    row, t = places(strange)[0]
    value = "NaN" if np.isnan(logits[row, t]).any() else "infinite"
    raise Counterexample(
        "not-finite",
        CLAIM,
        f"at position {t} of row {row} the logits are {value}{_made_by(question, case, bench)}",
        grid=TokenGrid(tokens=case.tokens, named=((row, t),)),
    )


def _made_by(question: Forward, case: ModelCase, bench: Bench) -> str:
    """The module that was given finite numbers and gave others, where the candidate's own process can tell."""
    try:
        answer = bench.ask(replace(question, trace=True), {"tokens.0": case.token_array()})
    except Trouble:
        return ""
    name = answer["strange.0"].tobytes().decode(errors="replace")
    return f"; {name} is the first module that makes this of finite numbers" if name else ""


def snippet(case: ModelCase) -> str:
    """One forward."""
    return model_snippet(
        case,
        """
finite = model(tokens).isfinite().all(dim=2)  # (B, T)
print(finite.int().tolist())
assert finite.all(), "not all logits are finite"
""",
    )


CHECK = Check(
    id="logits-are-finite",
    cases=model_cases(lengths=(1, 7)),
    holds=holds,
    in_training=True,
    at_size=model_case,
    default=MODEL,
    snippet=snippet,
    needs=("forward-runs",),
    examples=4,
)
