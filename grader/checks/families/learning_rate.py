"""Checks of the learning rate: the schedule, and that it is heard."""

from typing import Final

import numpy as np
from hypothesis import strategies as st
from msgspec.structs import asdict

from grader.checks.check import CheckFailed, Context, check
from grader.checks.snippets import training_snippet
from grader.checks.training_cases import STAND_IN_WIDTH, TrainCase, any_settings, train_case, train_cases
from grader.sandbox.questions import Rates, RecordSteps
from grader.sizes import RUN, Extent

WARMED_UP = train_cases(warmup=(2, 3, 4, 10))


class RateCase(TrainCase, frozen=True, kw_only=True):
    """A training configuration, and the steps whose rate is asked."""

    at: tuple[int, ...]


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


@check(cases=rate_cases(), at_size=rate_case, default=RUN, examples=3, after="training-repeats")
def learning_rate_schedule(case: RateCase, context: Context) -> None:
    """The learning rate follows the schedule at every step, early and late, and an optimizer is made at config.lr.

    ## Why it matters
    A schedule that is right for the first steps and wrong later ruins a run late, when it is seldom watched.

    ## Usual causes
    - The step is counted from another number, or in another unit.
    - Warm-up never ends, or ends in another rate.
    - The first rate is zero, so that the first batch is wasted.
    - The optimizer is made without a rate, and has its library's default until somebody sets another.
    """
    # Rates are those of the contract's schedule, the first is positive, and a fresh optimizer has the last; then those
    # of other schedules, whose rates and warm-ups are of any size.
    _require_schedule(case, context)
    for other in any_settings(case.data, context.seeds):
        _require_schedule(_with_steps(other, context), context)


STEPS: Final = 24


def _with_steps(case: TrainCase, context: Context) -> RateCase:
    """Steps of every order, and those about the end of the warm-up."""
    random = np.random.default_rng(context.seeds.derive("steps", case.data))
    far = (10 ** random.uniform(0, 6, STEPS)).astype(int).tolist()
    about = [step for step in range(case.warmup - 2, case.warmup + 2) if step >= 0]
    return RateCase(**asdict(case), at=tuple(sorted({*far, *about})))


def _require_schedule(case: RateCase, context: Context) -> None:
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


GROUPS = 3


def _every_group_at_the_rate_snippet(case: TrainCase) -> str:
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


@check(cases=train_cases(warmup=(4, 10)), snippet=_every_group_at_the_rate_snippet, examples=3)
def every_group_at_the_rate(case: TrainCase, context: Context) -> None:
    """Each step is made at the learning rate of that step, in every group of the optimizer.

    ## Why it matters
    A schedule that does not reach the optimizer has no effect. Parameters that are stepped at another rate than was
    meant move too far while the rest warms up, or crawl when it is warm.

    ## Usual causes
    - The rate is written where the optimizer does not look at it any more.
    - It is written to one group, and the optimizer has several.
    - It is written after the step.
    """
    # What an optimizer of several groups finds in each when it is stepped, beside the candidate's own schedule.
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
