"""The optimizer moves every parameter of the model: matrices and embeddings, biases and gains.

## Why it matters
An optimizer moves what it was given and nothing else. What is left out keeps the values it was born with, while the
loss falls all the same, since the rest learns.

## Usual causes
- One of the groups of parameters is not handed over.
- The groups are filled by a rule, a name or a kind of layer, that some parameter escapes.
- The optimizer is made before the last layer is.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import same_bits
from grader.checks.training.cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.checks.training.snippets import training_snippet
from grader.sandbox.questions import TrainSteps
from grader.sandbox.wire import Tensors


def holds(case: TrainCase, context: Context) -> None:
    """Whatever two steps of the matched variant move, two steps of the candidate move."""
    question = TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=case.weights(context.seeds))
    answer, expected = context.both(question, case.batches(context.seeds))
    left = sorted(_moved(expected) - _moved(answer))
    if left:
        raise CheckFailed(
            "left-out",
            "make_optimizer(model, config) holds every parameter of the model",
            f"{len(left)} of {len(_moved(expected))} parameters never move, the first is {left[0]}",
        )


def _moved(answer: Tensors) -> set[str]:
    names = [name.removeprefix("initial.") for name in answer if name.startswith("initial.")]
    return {name for name in names if not same_bits(answer[f"initial.{name}"], answer[f"param.1.{name}"])}


def snippet(case: TrainCase) -> str:
    """Look for each parameter in the optimizer's groups."""
    return training_snippet(
        case,
        """
held = {id(p) for group in optimizer.param_groups for p in group["params"]}
for name, p in model.named_parameters():
    print(name, tuple(p.shape), id(p) in held)
assert all(id(p) in held for p in model.parameters()), "the optimizer does not hold every parameter"
""",
    )


CHECK = Check(
    id="optimizer-holds-every-parameter",
    cases=train_cases(steps=(2,)),
    holds=holds,
    snippet=snippet,
    needs=("step-is-exact",),
    examples=2,
)
