"""The class loss trains the head and the model below it.

## Why it matters
A head on a frozen trunk can only use what happens to be there. The extension asks for joint training.

## Usual causes
- The hidden states are detached before the head.
- The class loss is a float, or is computed under no_grad.
- The head sits on the token embedding instead of on the last hidden state.
"""

from typing import Final

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.classifier.cases import ClassCase, class_case, class_cases
from grader.checks.classifier.combined_loss import WEIGHT, training_tensors
from grader.extent import Extent, at_most
from grader.sandbox.questions import Loss, Parameters
from grader.sandbox.wire import Tensors

# The bias of the keys adds one number to all scores of a row, which a softmax does not see: its gradient is
# rounding (measured below 1e-15 of the largest), and exactly zero in other orders of summation.
ROUNDING: Final = 1e-9


def holds(case: ClassCase, bench: Bench) -> None:
    """Where the class loss of a correct model has a gradient, the candidate's has one; and so has the head."""
    tensors = training_tensors(case, bench.seeds.derive("labels", case.data))
    question = Loss(config=case.config, weights=case.seeded(bench.seeds), class_weight=WEIGHT)
    answer, matched = bench.both(question, tensors)
    trunk = bench.ask(Parameters(config=case.headless, seed=0), {})
    reached, must_reach = _reached(answer, 0.0), _reached(matched, ROUNDING)
    missing = sorted(name for name in must_reach - reached if name.removeprefix("grad.") in trunk)
    claim = "the class loss has a gradient with respect to the head and every layer below it"
    if missing:
        raise Counterexample("trunk", claim, f"it does not reach {missing[0].removeprefix('grad.')}")
    if not any(name.removeprefix("grad.") not in trunk for name in reached):
        raise Counterexample("head", claim, "it does not reach the head")


def distinct_and_broad(extent: Extent) -> ClassCase:
    """A large batch for one layer, where no token of a row occurs twice."""
    return class_case(at_most(extent, layers=1), distinct=True)


def _reached(answer: Tensors, rounding: float) -> set[str]:
    """The gradients whose largest element is more than this share of the largest there is."""
    sizes = {name: float(size) for name, size in answer.items() if name.startswith("grad.")}
    return {name for name, size in sizes.items() if size > rounding * max(sizes.values())}


CHECK = Check(
    id="gradients-reach",
    needs=("forward-runs", "past-is-seen", "position-row-reach"),
    # Of equal tokens without positions the keys are equal too, and their weights have no gradient.
    cases=class_cases(distinct=True),
    holds=holds,
    at_size=distinct_and_broad,
    examples=2,
)
