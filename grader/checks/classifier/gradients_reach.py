"""The class loss trains the head, and the blocks and embeddings below it.

## Why it matters
A head on a frozen trunk can only use what happens to be there. The extension asks for joint training.

## Usual causes
- The hidden states are detached before the head.
- The class loss is a float, or is computed under no_grad.
- The head sits on the token embedding instead of on the last hidden state.
"""

from typing import Final

from msgspec.structs import replace

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.classifier.cases import ClassCase, class_case, class_cases
from grader.checks.classifier.combined_loss import WEIGHT, training_tensors
from grader.extent import Extent, at_most
from grader.sandbox.questions import Loss, Parameters
from grader.sandbox.wire import Tensors
from grader.strategies import WEIGHT_DRAWS

# The bias of the keys adds one number to all scores of a row, which a softmax does not see: its gradient is
# rounding (measured below 1e-15 of the largest), and exactly zero in other orders of summation.
ROUNDING: Final = 1e-9
TRUNK: Final = ("token_embedding.", "position_embedding.", "blocks.")  # where above them the head reads is left open
# Of a narrow head with rectified units, now and then none is awake: other weights are tried before that is a failure.
DRAWS: Final = 8


def holds(case: ClassCase, bench: Bench) -> None:
    """Where the class loss of a correct model has a gradient, the candidate's has one; and so has the head."""
    model = bench.ask(Parameters(config=case.headless, seed=0), {})
    reached: set[str] = set()
    must_reach: set[str] = set()
    for draw in range(DRAWS):
        drawn = replace(case, weights=(case.weights + draw) % WEIGHT_DRAWS)
        question = Loss(config=case.config, weights=drawn.seeded(bench.seeds), class_weight=WEIGHT)
        tensors = training_tensors(case, bench.seeds.derive("labels", case.data))
        answer, matched = bench.both(question, tensors)
        reached |= _reached(answer, 0.0)
        must_reach = must_reach or {name for name in _reached(matched, ROUNDING) if name.startswith(TRUNK)}
        missing, head_is_reached = sorted(must_reach - reached), not reached <= model.keys()
        if not missing and head_is_reached:
            return
    claim = "the class loss has a gradient with respect to the head, every block and both embeddings"
    if missing:
        raise Counterexample("trunk", claim, f"it does not reach {missing[0]}")
    raise Counterexample("head", claim, "it does not reach the head")


def distinct_and_broad(extent: Extent) -> ClassCase:
    """A large batch for one layer, where no token of a row occurs twice."""
    return class_case(at_most(extent, layers=1), distinct=True)


def _reached(answer: Tensors, rounding: float) -> set[str]:
    """The parameters whose gradient's largest element is more than this share of the largest there is."""
    sizes = {name.removeprefix("grad."): float(size) for name, size in answer.items() if name.startswith("grad.")}
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
