"""train() makes config.steps updates at most, one for each batch it is given, and takes no more of them than that.

## Why it matters
Batches often come from a generator that others go on with, or that never ends. A batch that is taken and not used is
lost; a loop that waits for the end of one that has none never ends either.

## Usual causes
- The number of steps is compared after the next batch was taken.
- All batches are put into a list first.
- The loop goes by the batches alone, and nothing reads config.steps.
- Batches are taken from the beginning again when there are too few.
"""

from typing import Final

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.training.cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.checks.training.snippets import training_snippet
from grader.sandbox.questions import WatchedTraining

SPARE: Final = 3


def holds(case: TrainCase, context: Context) -> None:
    """More batches than steps, as many, and fewer."""
    for steps in (case.steps - SPARE, case.steps, case.steps + SPARE):
        question = WatchedTraining(
            train=case.config | {"steps": steps}, width=STAND_IN_WIDTH, weights=case.weights(context.seeds)
        )
        answer = context.ask(question, case.batches(context.seeds))
        wanted, words = min(steps, case.steps), f"with steps={steps} and {case.steps} batches"
        if len(answer["losses"]) != wanted:
            raise CheckFailed(
                "updates",
                f"{words}, train makes {wanted} updates and returns a dict for each",
                f"it returns {len(answer['losses'])} dicts",
            )
        if int(answer["taken"]) != wanted:
            raise CheckFailed(
                "taken", f"{words}, train takes {wanted} batches", f"it takes {int(answer['taken'])} of a generator's"
            )


def snippet(case: TrainCase) -> str:
    """Count what is taken from a generator."""
    return training_snippet(
        case,
        f"""
from dataclasses import replace

from train import train

for steps in ({case.steps - SPARE}, {case.steps}, {case.steps + SPARE}):
    taken = []
    batches = (taken.append(i) or batch for i in range({case.steps}))
    made = len(train(model, replace(config, steps=steps), batches=batches))
    print(f"steps={{steps}}, {case.steps} batches: {{made}} updates, {{len(taken)}} batches taken")
    assert made == len(taken) == min(steps, {case.steps}), "not one update for each batch that is taken"
""",
    )


CHECK = Check(
    id="train-takes-its-batches",
    cases=train_cases(steps=(SPARE + 1, SPARE + 2)),
    holds=holds,
    snippet=snippet,
    examples=1,
)
