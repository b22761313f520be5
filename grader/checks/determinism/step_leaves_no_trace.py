"""A training step draws no random numbers of its own, and leaves its batch and torch's settings as they were.

## Why it matters
What a step draws, everything after it no longer gets: a run depends then on how often something else was logged or
evaluated. A step that seeds makes the same draws again and again, dropout's among them.

## Usual causes
- A generator is seeded in every step, to make a run repeatable.
- The batch is shuffled, or noise is added, from the generator that all of torch shares.
- The batch is written into, and is another one when it is used again.
- torch's default dtype, or whether it keeps gradients, is set for the whole program.
"""

from grader.checks.check import Check, Context
from grader.checks.traces import require_inputs_kept, require_no_trace, require_settings_kept
from grader.checks.training.cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.checks.training.snippets import training_snippet
from grader.sandbox.questions import WatchedTraining

CLAIM = "train_step leaves batch, settings and random generators as they were"


def holds(case: TrainCase, context: Context) -> None:
    """Steps of a model that drops nothing."""
    question = WatchedTraining(
        train=case.config, width=STAND_IN_WIDTH, weights=case.weights(context.seeds), by_step=True
    )
    batches = case.batches(context.seeds)
    answer = context.ask(question, batches)
    require_settings_kept(answer, "train.py")
    for name, given in batches.items():
        require_inputs_kept(CLAIM, name, given, answer[name])
    require_no_trace(CLAIM, answer, where="train_step", free=("param", "grad", "mode"))


def snippet(case: TrainCase) -> str:
    """The random state before and after."""
    return training_snippet(
        case,
        """
import random

given, torchs, pythons = batch.tokens.clone(), torch.get_rng_state(), random.getstate()
train_step(model, optimizer, batch, config, 0)
assert torch.equal(batch.tokens, given), "the batch has other tokens"
assert torch.equal(torch.get_rng_state(), torchs), "torch's random generator has moved"
assert random.getstate() == pythons, "Python's random generator has moved"
""",
    )


CHECK = Check(
    id="step-leaves-no-trace",
    cases=train_cases(steps=(2,)),
    holds=holds,
    snippet=snippet,
    examples=1,
)
