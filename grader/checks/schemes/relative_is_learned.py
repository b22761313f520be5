"""Relative positions have parameters of their own, and the logits depend on them.

## Why it matters
A distance can be given a fixed penalty, as ALiBi does. Here it is to be learned, and what is learned has to be a
parameter that a gradient reaches: a tensor that is none is never trained, and a model with it looks as good at first.

## Usual causes
- The table is a plain tensor or a buffer, which no optimizer is given.
- It is copied or detached when the model is made, and the copy is what is read.
- Nothing is learned: the scheme is that of another name.
"""

from msgspec.structs import replace

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.schemes.cases import SchemeCase, one_layer_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import Gradients, Parameters


def holds(case: SchemeCase, context: Context) -> None:
    """Some parameter that a model with learned positions does not have gets a gradient."""
    question = Gradients(config=case.config, weights=case.seeded(context.seeds))
    answer = context.ask(question, {"tokens": case.token_array()})
    plain = Parameters(config=replace(case, position=None).config, seed=0)
    known = context.ask(plain, {}).keys() | context.reference.ask(plain, {}).keys()
    learned = {name: gradient for name, gradient in answer.items() if name.removeprefix("grad.") not in known}
    if not any(gradient.any() for gradient in learned.values()):
        names = ", ".join(name.removeprefix("grad.") for name in learned) or "none"
        raise CheckFailed(
            "not-learned",
            "some parameter that learned positions do not have moves the logits",
            f"of the parameters with a gradient, these are further ones: {names}, and no gradient is other than zero",
            grid=TokenGrid(tokens=case.tokens),
        )


CHECK = Check(
    id="relative-is-learned",
    cases=one_layer_cases("relative", d_model=6, lengths=(3, 5)),
    holds=holds,
    needs=("forward-runs", "future-is-hidden", "past-is-seen"),
    examples=2,
)
