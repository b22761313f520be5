"""A step reports its own losses: floats by the names loss, lm_loss and class_loss, the last None at class_weight 0.

## Why it matters
A loss that is still a tensor holds on to the whole graph that it came from. Kept in a list, it keeps every activation
of every step, and memory runs out in the middle of a run.

## Usual causes
- The tensor is put into the record, not `loss.item()`.
- What is reported is rounded, averaged with earlier steps, or computed once more after the update.
- One loss is reported by the name of another.
- `class_loss` is 0.0, or not there, where there is none.
"""

from typing import Final

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import close
from grader.checks.training.cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.checks.training.own_batches_differ import STILL
from grader.checks.training.snippets import training_snippet
from grader.sandbox.questions import KINDS, WatchedTraining
from grader.sandbox.wire import Array, Tensors

KEYS: Final = ("loss", "lm_loss", "class_loss")


def holds(case: TrainCase, context: Context) -> None:
    """What ``train`` returns of a model that hardly moves, so that each loss is that of one and the same model; and the
    first of one that does move, which it has from before."""
    for rate, steps in ((STILL, case.steps), (case.lr, 1)):
        question = WatchedTraining(
            train=case.config | {"lr": rate},
            width=STAND_IN_WIDTH,
            weights=case.weights(context.seeds),
            precision="float64",
        )
        answer, expected = context.both(question, case.batches(context.seeds))
        require_kinds(answer["kinds"], ("float", "float", "none"), "class_weight=0")
        _require_losses(answer, expected, steps)


def require_kinds(kinds: Array, wanted: tuple[str, str, str], where: str) -> None:
    """Require that the losses of every step are what they have to be."""
    words = {"missing": "not there", "none": "None", "float": "a float", "other": "no float"}
    for step, row in enumerate(kinds):
        for key, kind, right in zip(KEYS, row, wanted, strict=True):
            if KINDS[kind] != right:
                raise CheckFailed(
                    f"kind-{key}",
                    f"with {where} a step reports {key}, which is {words[right]}",
                    f"in step {step} {key} is {words[KINDS[kind]]}",
                )


def _require_losses(answer: Tensors, expected: Tensors, steps: int) -> None:
    """Require the numbers of a right loop, in the first steps."""
    for key, name in (("loss", "losses"), ("lm_loss", "lm_losses")):
        reported, right = answer[name][:steps], expected[name][:steps]
        if not close(reported, right, "scalar loss, float32"):
            same = reported.shape == right.shape
            step = int(np.abs(reported - right).argmax()) if same else 0
            raise CheckFailed(
                f"value-{key}",
                f"a step reports the {key} of its own batch, exactly, and from before its update",
                f"the {key} of step {step} is another number" if same else f"there are {len(reported)} of them",
                expected=str(right),
            )


def snippet(case: TrainCase) -> str:
    """Look at what a step returns."""
    return training_snippet(
        case,
        """
expected = nn.functional.cross_entropy(model(batch.tokens).flatten(0, 1), batch.targets.flatten()).item()
losses = train_step(model, optimizer, batch, config, 0)
print(losses, expected)
for key in ("loss", "lm_loss"):
    assert isinstance(losses[key], float), f"{key} is no float"
    assert abs(losses[key] - expected) < 1e-5, f"{key} is another number"
assert losses["class_loss"] is None, "there is no class loss"
""",
    )


CHECK = Check(
    id="losses-are-numbers",
    cases=train_cases(steps=(3,), lr=(0.1,), weight_decay=(0.0,), warmup=(1,)),
    holds=holds,
    snippet=snippet,
    examples=1,
)
