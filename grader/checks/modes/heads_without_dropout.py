"""With several heads too, dropout does nothing in eval mode, to a forward pass and to cached decoding.

## Why it matters
Attention with several heads is often a class of its own, with a dropout of its own. What is right for one head says
nothing about it.

## Usual causes
- One of the paths through the heads calls a functional dropout, and does not tell it the mode.
"""

from grader.checks.cache.agreement import closeness
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.modes import decoding_without_dropout
from grader.checks.modes.cases import DropoutHeadCase, dropout_head_cases, without_dropout
from grader.sandbox.questions import Forward


def holds(case: DropoutHeadCase, context: Context) -> None:
    """The same with dropout in the configuration and without: one forward pass, then chunk by chunk."""
    tokens = {"tokens.0": case.token_array()}
    logits, plain = (
        context.ask(Forward(config=config, weights=case.seeded(context.seeds)), tokens)["logits.0"]
        for config in (case.config, without_dropout(case))
    )
    if closeness(logits, plain) is None:
        raise CheckFailed(
            "never-off",
            "in eval mode a model with dropout gives the logits of one without",
            f"with n_head={case.n_head} and dropout={case.dropout}, the logits of a model in eval mode are others",
        )
    decoding_without_dropout.holds(case, context)


CHECK = Check(
    id="heads-without-dropout",
    cases=dropout_head_cases(),
    holds=holds,
    needs=("dropout-follows-the-mode", "decoding-without-dropout", "cached-heads-equal-full"),
    examples=3,
)
