"""A classifier head changes nothing else: same initial parameters, same logits, bit for bit.

## Why it matters
An extra head must not make the language model another one, or no run with the head can be compared with a
run without it.

## Usual causes
- The head is built before or between the other layers and shifts their random numbers.
- Initialisation walks over all modules in an order that the head changes.
- The trunk runs twice, or in another way, when classify=True.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.classifier.cases import ClassCase, class_cases, few_classified
from grader.checks.compare import first_difference, same_bits
from grader.extent import Extent, at_most
from grader.sandbox.questions import Forward, Parameters


def holds(case: ClassCase, context: Context) -> None:
    """Initial parameters and logits, with the head and without it."""
    without = context.ask(Parameters(config=case.headless, seed=case.data), {})
    with_head = context.ask(Parameters(config=case.config, seed=case.data), {})
    difference = first_difference({name: with_head[name] for name in without if name in with_head}, without)
    if difference is not None:
        raise CheckFailed(
            "init-disturbed",
            "with n_classes > 0 every other parameter starts with the same bits as with n_classes = 0",
            f"{difference.tensor} is the first that differs",
        )
    if len(with_head) == len(without):
        raise CheckFailed("no-head", "n_classes > 0 adds the head's parameters", "there is no new parameter")
    weights, tokens = case.seeded(context.seeds), {"tokens.0": case.token_array()}
    plain = context.ask(Forward(config=case.headless, weights=weights, precision="float32"), tokens)["logits.0"]
    for classify in (False, True):
        question = Forward(config=case.config, weights=weights, precision="float32", classify=classify)
        if not same_bits(context.ask(question, tokens)["logits.0"], plain):
            raise CheckFailed(
                "logits-disturbed",
                "logits are bit-identical with and without the head",
                f"with the head and classify={classify} they are others",
            )


def two_layers(extent: Extent) -> ClassCase:
    """Two texts of these sizes for two layers: several models are built for them."""
    return few_classified(at_most(extent, layers=2))


CHECK = Check(
    id="lm-untouched",
    needs=("forward-runs",),
    cases=class_cases(),
    holds=holds,
    at_size=two_layers,
    examples=3,
)
