"""With class_weight > 0, train_step trains on both losses and reports both.

## Why it matters
A loss that is right on its own is of no use while the loop asks for another one.

## Usual causes
- train_step does not pass config.class_weight on.
- The class loss is computed and not added, or not reported.
- What is reported is a tensor, or stands by the name of another loss.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.training.cases import TRAIN_CASES, TrainCase, train_case
from grader.checks.training.losses_are_numbers import require_kinds
from grader.extent import Extent, at_most
from grader.sandbox.questions import KINDS, StandInQuestion, TrainSteps, WatchedTraining

WEIGHT = 0.7
# Of the learning rate, for each step. A clip without torch's small safeguard moves parameters by 1e-5 of it, a class
# loss that is left out by more than a tenth.
SLACK = 1e-3


def holds(case: TrainCase, context: Context) -> None:
    """Losses and parameters of a stand-in model that has a head, beside those of a correct loop, in float64."""
    question = TrainSteps(
        train=case.config | {"class_weight": WEIGHT},
        width=case.width,
        n_classes=2,
        weights=case.weights(context.seeds),
        precision="float64",
    )
    answer, expected = context.both(question, case.batches(context.seeds))
    claim = f"with class_weight={WEIGHT}, a step reports and follows LM loss + class_weight * class loss"
    for name in ("class_losses", "lm_losses", "losses"):
        same_length = answer[name].shape == expected[name].shape
        if not same_length or not np.allclose(answer[name], expected[name], rtol=SLACK, atol=0):
            raise CheckFailed("joint-loss", claim, f"the {name} of the steps are {answer[name].tolist()}")
    for name, wanted in expected.items():
        if name.startswith("param."):
            got, steps = answer[name], int(name.split(".")[1]) + 1
            if not np.max(np.abs(got - wanted), initial=0.0) <= SLACK * case.lr * steps:
                raise CheckFailed("joint-step", claim, f"after a step, {name.split('.', 2)[2]} is another one")
    watched = WatchedTraining(**{name: getattr(question, name) for name in StandInQuestion.__struct_fields__})
    kinds = context.ask(watched, case.batches(context.seeds))["kinds"]
    if (kinds[:, :2] == KINDS.index("float")).all():  # otherwise it is the step that reports no numbers
        require_kinds(kinds, ("float",) * 3, f"class_weight={WEIGHT}")


def few_steps(extent: Extent) -> TrainCase:
    """The first few steps of a run of these sizes."""
    return train_case(at_most(extent, steps=4))


CHECK = Check(
    id="joint-training-step",
    cases=TRAIN_CASES,
    holds=holds,
    at_size=few_steps,
    examples=2,
    needs=(
        "parameters-move",
        "step-is-exact",
        "training-repeats",
        "learning-rate-schedule",
        "losses-are-numbers",
        "decay-spares-vectors",
    ),
)
