"""Built from the same seed, every parameter starts with the same bits as the reference's.

## Why it matters
Two runs can only be compared step by step if they start from the same place. One layer built in another
order, or with another size, shifts every random number after it.

## Usual causes
- A layer was built with the wrong size, so that all later draws differ.
- Layers are built or initialised in another order.
- The initialisation itself was changed.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import first_difference
from grader.checks.projection.parameter_shapes import SIZES, SizeCase, size_case
from grader.extent import MODEL
from grader.packages.package import ask_both
from grader.sandbox.questions import Parameters


def holds(case: SizeCase, context: Context) -> None:
    """Same seed, same bits."""
    question = Parameters(config=case.config, seed=case.seed)
    answer, expected = ask_both(context.candidate, context.reference, question, {})
    difference = first_difference(answer, {name: expected[name] for name in sorted(expected)})
    if difference is not None:
        raise CheckFailed(
            "init",
            "the same seed gives the same initial parameters, bit for bit",
            f"{difference.tensor} is the first that differs, at {list(difference.element) or 'its shape'}"
            f": {difference.actual}",
            expected=difference.expected,
        )


CHECK = Check(
    id="same-init",
    cases=SIZES,
    holds=holds,
    at_size=size_case,
    default=MODEL,
    examples=2,
)
