"""In eval mode dropout does nothing, in training mode it drops.

## Why it matters
Dropout is noise that only training is meant to have. Where it goes on afterwards, every answer is a worse one and none
can be had twice; where it never starts, the setting is a number that nobody reads.

## Usual causes
- A functional dropout is called without being told the mode, and its default is to drop.
- The mode is read when the model is built, and never again.
- A layer is kept where `train()` and `eval()` do not reach it.
"""

from grader.checks.cache.agreement import closeness
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.modes.cases import DropoutCase, dropout_cases, without_dropout
from grader.checks.snippets import model_snippet
from grader.sandbox.questions import Forward, Settings
from grader.sandbox.wire import Array, Tensors

SEEDS = (1, 2)


def holds(case: DropoutCase, context: Context) -> None:
    """Eval mode with two states of the random generator and without dropout, then training mode with the two states."""
    tokens = {"tokens.0": case.token_array()}
    plain = _logits(context.ask(_question(case, context, without_dropout(case), training=False, seed=SEEDS[0]), tokens))
    for seed in SEEDS:
        if not _same(
            _logits(context.ask(_question(case, context, case.config, training=False, seed=seed), tokens)), plain
        ):
            raise CheckFailed(
                "never-off",
                "in eval mode a model with dropout gives the logits of one without",
                f"with dropout={case.dropout}, the logits of a model in eval mode are others",
            )
    first, second = (
        context.both(_question(case, context, case.config, training=True, seed=seed), tokens) for seed in SEEDS
    )
    must_move = not _same(_logits(first[1]), _logits(second[1]))
    if must_move and _same(_logits(first[0]), _logits(second[0])):
        raise CheckFailed(
            "never-on",
            "in training mode, dropout drops something else each time",
            f"with dropout={case.dropout}, two forward passes in training mode give the same logits",
        )


def _question(case: DropoutCase, context: Context, config: Settings, *, training: bool, seed: int) -> Forward:
    return Forward(config=config, weights=case.seeded(context.seeds), training=training, seed=seed)


def _logits(answer: Tensors) -> Array:
    return answer["logits.0"]


def _same(logits: Array, others: Array) -> bool:
    return closeness(logits, others) is not None


def snippet(case: DropoutCase) -> str:
    """Twice the same question."""
    return model_snippet(
        case,
        """
first, second = model(tokens), model(tokens)
print("in eval mode, two passes differ by", float((first - second).abs().max()))
assert torch.allclose(first, second), "a model in eval mode still drops"
model.train()
first, second = model(tokens), model(tokens)
print("in training mode, two passes differ by", float((first - second).abs().max()))
assert not torch.allclose(first, second), "a model in training mode does not drop"
""",
    )


CHECK = Check(
    id="dropout-follows-the-mode",
    cases=dropout_cases(),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs",),
    examples=3,
)
