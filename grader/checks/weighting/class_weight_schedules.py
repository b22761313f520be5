"""The classifier's weight is config.class_weight: at every step, or after a linear warm-up that starts above zero.

## Why it matters
A schedule is what one tries first when one objective drowns the other, and what a run is compared with later. If the
weight that was configured is never reached, the comparison is with something nobody asked for.

## Usual causes
- The warm-up ends in the learning rate times the weight, or in another weight.
- It starts at zero, so that the first batch is lost to the classifier, or never ends.
- The constant weight follows the step, or leaves the configuration alone.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.weighting.cases import ScheduleCase, schedule_cases
from grader.sandbox.questions import ClassWeights

CLAIMS = {
    "constant": "constant_weight is config.class_weight at every step",
    "warm_up": "warmup_weight rises as the learning rate does, and ends at config.class_weight",
}
FUNCTIONS = {"constant": "constant_weight", "warm_up": "warmup_weight"}


def holds(case: ScheduleCase, context: Context) -> None:
    """Both schedules, early and late."""
    answer, expected = context.both(ClassWeights(train=case.config, steps=case.at), {})
    for name, claim in CLAIMS.items():
        got, wanted = answer[name], expected[name]
        wrong = np.flatnonzero(~(np.abs(got - wanted) <= 1e-12 * np.abs(wanted)))
        if len(wrong):
            i = wrong[0]
            raise CheckFailed(
                name,
                claim,
                f"with class_weight={case.class_weight} and warmup={case.warmup}, "
                f"{FUNCTIONS[name]}({case.at[i]}, config) is {float(got[i])!r}",
                expected=repr(float(wanted[i])),
            )


def snippet(case: ScheduleCase) -> str:
    """The weights from step to step, and the last one."""
    settings = ", ".join(f"{name}={value}" for name, value in case.config.items())
    return f"""from train import TrainConfig, constant_weight, warmup_weight

config = TrainConfig({settings})
rising = [warmup_weight(step, config) for step in range(config.warmup + 1)]
print(rising, constant_weight(0, config), constant_weight({case.at[-1]}, config))
for step in (0, config.warmup, {case.at[-1]}):
    assert constant_weight(step, config) == config.class_weight, "the constant weight is another one"
for step, weight in enumerate(rising):
    right = config.class_weight * min(1, (step + 1) / config.warmup)
    assert abs(weight - right) <= 1e-9, f"at step {{step}} the weight is {{weight}}, not {{right}}"
"""


CHECK = Check(
    id="class-weight-schedules",
    needs=("learning-rate-schedule",),
    cases=schedule_cases(),
    holds=holds,
    snippet=snippet,
    examples=3,
)
