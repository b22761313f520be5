"""Each step is made at the learning rate of that step, in every group of the optimizer.

## Why it matters
A schedule that nobody hears is none. Parameters that are stepped at another rate than was meant move too far while the
rest warms up, or crawl when it is warm.

## Usual causes
- The rate is written where the optimizer does not look at it any more.
- It is written to one group, and the optimizer has several.
- It is written after the step.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.training.cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.checks.training.snippets import training_snippet
from grader.sandbox.questions import Rates, RecordSteps

GROUPS = 3


def holds(case: TrainCase, context: Context) -> None:
    """What an optimizer of several groups finds in each when it is stepped, beside the candidate's own schedule."""
    steps = tuple(range(case.steps))
    scheduled = context.ask(Rates(train=case.config, steps=steps), {})["rates"]
    question = RecordSteps(train=case.config, width=STAND_IN_WIDTH, weights=case.weights(context.seeds), groups=GROUPS)
    answer = context.ask(question, case.batches(context.seeds))
    for step in steps:
        if int(answer["calls"][step]) == 0:
            raise CheckFailed("no-step", "the optimizer is stepped for each batch", f"in step {step} it is not")
        off = np.flatnonzero(~(np.abs(answer["lr"][step] - scheduled[step]) <= 1e-12 * abs(scheduled[step])))
        if len(off):
            raise CheckFailed(
                "group-rate",
                "each step is made at learning_rate(step, config), in all groups of the optimizer",
                f"in step {step}, group {off[0]} of {GROUPS} is at lr={float(answer['lr'][step, off[0]])!r}, and "
                f"learning_rate({step}, config) is {float(scheduled[step])!r}",
            )


def snippet(case: TrainCase) -> str:
    """Look into the groups when the optimizer is stepped."""
    return training_snippet(
        case,
        """
from train import learning_rate

optimizer = torch.optim.SGD([{"params": [p]} for p in model.parameters()], lr=config.lr)  # a group for each
seen = []
original = optimizer.step
optimizer.step = lambda *a, **k: (seen.extend(group["lr"] for group in optimizer.param_groups), original(*a, **k))
train_step(model, optimizer, batch, config, 0)
print(f"learning_rate(0, config) = {learning_rate(0, config)}, in the groups: {seen}")
assert all(abs(lr - learning_rate(0, config)) <= 1e-9 for lr in seen), "a group is stepped at another rate"
""",
    )


CHECK = Check(
    id="every-group-at-the-rate",
    cases=train_cases(warmup=(4, 10)),
    holds=holds,
    snippet=snippet,
    examples=3,
)
