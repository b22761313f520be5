"""However many heads there are, every parameter starts with the same bits for the same seed.

## Why it matters
Heads are a way to read the same matrices. If their number changes what is drawn, two models that should differ in one
thing only start from different places, and nothing that is measured between them is about heads.

## Usual causes
- Attention for several heads makes or draws layers of its own, which shifts everything that is drawn later.
- The spread of some weights depends on the width or the number of heads.
- Parameters are made in another order, or under other names.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import first_difference
from grader.checks.heads.cases import HeadCase, head_cases
from grader.sandbox.questions import Parameters


def holds(case: HeadCase, context: Context) -> None:
    """The initial parameters of one head, and of several."""
    seed = context.seeds.derive("heads", case.weights) % 2**31
    one = context.ask(Parameters(config={**case.config, "n_head": 1}, seed=seed), {})
    several = context.ask(Parameters(config=case.config, seed=seed), {})
    difference = first_difference(several, one)
    if difference is not None:
        raise CheckFailed(
            "start-differs",
            "the same seed gives the same parameters, with one head and with several",
            f"{difference.tensor} with n_head={case.n_head}: {difference.actual}; with n_head=1: {difference.expected}",
        )


CHECK = Check(
    id="heads-leave-the-start",
    cases=head_cases(),
    holds=holds,
    needs=("forward-runs", "parameter-shapes"),
    examples=3,
)
