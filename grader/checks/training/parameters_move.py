"""One training step moves every parameter.

## Why it matters
The point of a step is to change the model. A loop that computes losses and gradients and then leaves the
parameters alone runs without an error and learns nothing.

## Usual causes
- The optimizer is never stepped.
- Gradients are cleared between the backward pass and the step.
- The optimizer was built over other parameters than the model's.
- The learning rate of the first step is zero.
"""

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.training.cases import STAND_IN_WIDTH, TRAIN_CASES, TrainCase
from grader.checks.training.snippets import training_snippet
from grader.compare import same_bits
from grader.sandbox.questions import TrainSteps


def holds(case: TrainCase, bench: Bench) -> None:
    """After the first step each parameter differs from what it was."""
    question = TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=case.weights(bench.seeds))
    answer = bench.ask(question, case.batches(bench.seeds))
    names = [name.removeprefix("initial.") for name in answer if name.startswith("initial.")]
    still = [name for name in names if same_bits(answer[f"initial.{name}"], answer[f"param.0.{name}"])]
    if still:
        raise Counterexample(
            "no-move",
            "every parameter that has a gradient changes in one step",
            f"{len(still)} of {len(names)} parameters did not change, the first is {still[0]}",
        )


def snippet(case: TrainCase) -> str:
    """One step of a model of three layers."""
    return training_snippet(
        case,
        """
before = [p.detach().clone() for p in model.parameters()]
train_step(model, optimizer, batch, config, 0)
moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters())]
print(moved)
assert all(moved), "a training step left parameters as they were"
""",
    )


CHECK = Check(
    id="parameters-move",
    cases=TRAIN_CASES,
    holds=holds,
    snippet=snippet,
    examples=3,
)
