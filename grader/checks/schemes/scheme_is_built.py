"""A model with another position scheme than learned positions can be made, and gives scores.

## Why it matters
Each scheme is judged by itself, and so it pays to build one of them well. This asks whether there is one to judge.

## Usual causes
- Nothing of it is built yet.
- The scheme is looked up under another name than the configuration gives it.
- Something that only learned positions have, such as a table, is needed all the same.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import finite
from grader.checks.grids import logits_of
from grader.checks.schemes.cases import SchemeCase, each_scheme, scheme_cases, under
from grader.packages.package import Trouble
from grader.sandbox.questions import Forward


def holds(case: SchemeCase, context: Context) -> None:
    """One at least of the schemes that take the smallest model takes this one, up to a full block."""
    failures: list[CheckFailed | Trouble] = []
    for asked in each_scheme(case, context):
        try:
            _runs(asked, context)
        except (CheckFailed, Trouble) as failure:
            failures.append(failure)
        else:
            return
    if failures:
        raise failures[0]


def _runs(case: SchemeCase, context: Context) -> None:
    full = np.resize(case.token_array(), (len(case.tokens), case.block_size))
    question = Forward(config=case.config, weights=case.seeded(context.seeds))
    answer = context.ask(question, {"tokens.0": case.token_array(), "tokens.1": full})
    with under(case.position):
        for name, tokens in (("logits.0", case.token_array()), ("logits.1", full)):
            if not finite(logits_of(answer, name, tokens)):
                raise CheckFailed("not-finite", "scores are finite numbers", "NaN or infinity")


CHECK = Check(
    id="scheme-is-built",
    cases=scheme_cases(),
    holds=holds,
    needs=("forward-runs",),
    examples=2,
)
