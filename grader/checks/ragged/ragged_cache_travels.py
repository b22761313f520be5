"""A cache of rows that differ in length, handed to another process, continues there as if nothing had happened.

## Why it matters
Where the rows end is a part of the past, as the keys and values are. What a model remembers of it beside the cache is
gone when another process goes on, and wrong as soon as another batch was read in between.

## Usual causes
- Where the rows end is kept on the model, or in what padding was cached.
- A mask of the last chunk is kept on the model.
"""

from grader.checks.cache.agreement import closeness
from grader.checks.cache.cache_travels import cache_tensors, given
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.ragged.cases import CACHE_WORKS, RaggedCase, ragged_cases
from grader.sandbox.questions import Decode


def holds(case: RaggedCase, context: Context) -> None:
    """The last chunk is read by a worker that has never seen a prompt, from keys, values and lengths alone."""
    last = len(case.lengths) - 1
    here = context.ask(case.in_turn(context.seeds, keep=(last - 1,)), case.steps())
    cache = cache_tensors(here, last - 1)
    question = Decode(config=case.config, weights=case.seeded(context.seeds), parents=(-2,), layers=len(cache) // 2)
    there = context.fresh_candidate.ask(question, case.step(0, last) | given(cache))
    lane = closeness(case.real_logits(there, "logits.0", last), case.real_logits(here, f"logits.{last}", last))
    if lane is None:
        raise CheckFailed(
            "stateful",
            "keys, values and lengths are all that is needed to go on",
            f"read in chunks of {case.told()} tokens, one number a row: another process, given the cache and the last "
            "chunk, computes other logits",
            grid=case.grid(),
        )
    context.lanes.add(lane)


CHECK = Check(
    id="ragged-cache-travels",
    cases=ragged_cases(),
    holds=holds,
    needs=CACHE_WORKS,
    examples=3,
)
