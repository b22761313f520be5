"""The learning rate follows the schedule at every step, early and late, and an optimizer is made at config.lr.

## Why it matters
A schedule that is right for the first steps and wrong later ruins a run when nobody looks any more.

## Usual causes
- The step is counted from another number, or in another unit.
- Warm-up never ends, or ends in another rate.
- The first rate is zero, so that the first batch is wasted.
- The optimizer is made without a rate, and has its library's default until somebody sets another.
"""

import numpy as np
from hypothesis import strategies as st
from msgspec.structs import asdict

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.training.cases import TrainCase, train_case, train_cases
from grader.extent import RUN, Extent
from grader.sandbox.questions import Rates

WARMED_UP = train_cases(warmup=(2, 3, 4, 10))


class RateCase(TrainCase, frozen=True, kw_only=True):
    """A training configuration, and the steps whose rate is asked."""

    at: tuple[int, ...]


def holds(case: RateCase, context: Context) -> None:
    """Rates are those of the contract's schedule, the first is positive, and a fresh optimizer has the last."""
    answer, expected = context.both(Rates(train=case.config, steps=(0, *case.at), fresh=True), {})
    wrong = np.flatnonzero(~(np.abs(answer["rates"] - expected["rates"]) <= 1e-12 * np.abs(expected["rates"])))
    if len(wrong):
        step, rate = (0, *case.at)[wrong[0]], float(answer["rates"][wrong[0]])
        raise CheckFailed(
            "schedule",
            "learning_rate warms up linearly over config.warmup steps and then stays at config.lr",
            f"with lr={case.lr} and warmup={case.warmup}, learning_rate({step}) is {rate!r}",
            expected=repr(float(expected["rates"][wrong[0]])),
        )
    off = [float(rate) for rate in answer["fresh"] if not abs(rate - case.lr) <= 1e-12 * case.lr]
    if off:
        raise CheckFailed(
            "fresh-rate",
            "make_optimizer(model, config) makes its optimizer at config.lr",
            f"with lr={case.lr} it has a group at {off[0]!r}",
        )


def rate_case(extent: Extent) -> RateCase:
    """The whole schedule of a run of this many steps."""
    return RateCase(**asdict(train_case(extent)), at=tuple(range(extent.steps)))


@st.composite
def rate_cases(draw: st.DrawFn) -> RateCase:
    """The end of a warm-up that lasts more than one step, steps near it, and far beyond."""
    case = draw(WARMED_UP)
    near = draw(st.lists(st.integers(0, 12) | st.integers(13, 2000), min_size=4, max_size=8, unique=True))
    at = {case.warmup - 1, case.warmup, *near}
    return RateCase(**asdict(case), at=tuple(sorted(at)))


CHECK = Check(id="learning-rate-schedule", cases=rate_cases(), holds=holds, at_size=rate_case, default=RUN, examples=3)
