"""Sequences longer than block_size, and sizes that do not fit, are a ValueError; a full block is none.

## Why it matters
An error that names the wrong value saves an hour. Without it the same mistake surfaces somewhere deep
inside, or not at all.

## Usual causes
- The check of the contract was removed or moved behind the code that crashes.
- It is off by one, and refuses the longest sequence that there is room for.
- Another kind of exception is raised, or an assert.
"""

import numpy as np

from grader.checks.check import Check, Context
from grader.checks.refusal import must_refuse
from grader.checks.strategies import ModelCase, few_rows, model_cases
from grader.extent import Extent, at_most
from grader.sandbox.questions import Forward, Parameters


def holds(case: ModelCase, context: Context) -> None:
    """A full block, one token too many, and a width that the heads do not divide."""
    too_long = np.resize(case.token_array(), (len(case.tokens), case.block_size + 1))
    question = Forward(config=case.config, weights=case.seeded(context.seeds))
    context.ask(question, {"tokens.0": too_long[:, :-1].copy()})  # a model that cannot be built refuses everything
    what = f"T={case.block_size + 1} with block_size={case.block_size}"
    must_refuse(context, question, {"tokens.0": too_long}, what, (case.block_size, case.block_size + 1))
    odd = case.config | {"n_head": case.d_model - 1}
    what = f"d_model={case.d_model} with n_head={case.d_model - 1}"
    must_refuse(context, Parameters(config=odd, seed=0), {}, what, (case.d_model, case.d_model - 1))


def one_layer(extent: Extent) -> ModelCase:
    """Two texts of these sizes, in a model of one layer."""
    return few_rows(at_most(extent, layers=1))


CHECK = Check(
    id="contract-errors",
    cases=model_cases(),
    holds=holds,
    at_size=one_layer,
    examples=1,
)
