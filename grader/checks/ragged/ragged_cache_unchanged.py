"""A cache of rows that differ in length, too, is left as it was when it is continued.

## Why it matters
There is room behind a row that is shorter than others, and it is tempting to write the next token there. But another
continuation of the same cache would find it.

## Usual causes
- New keys are written into the old tensors, where there was room.
- What was read is added to the old lengths in place.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import same_bits
from grader.checks.ragged.cases import CACHE_WORKS, RaggedCase, ragged_cases
from grader.sandbox.questions import Decode


def holds(case: RaggedCase, context: Context) -> None:
    """Continue the first chunk one way, another way, and the first way again."""
    question = Decode(
        config=case.config, weights=case.seeded(context.seeds), parents=(-1, 0, 0, 0), keep=(0,), recheck=True
    )
    other = case.step(2, 1)
    other["chunk.2"] = (other["chunk.2"] + 1) % case.vocab_size
    answer = context.ask(question, case.step(0, 0) | case.step(1, 1) | other | case.step(3, 1))
    if not same_bits(*(case.real_logits(answer, f"logits.{step}", 1) for step in (1, 3))):
        raise CheckFailed(
            "disturbed",
            "two continuations of one cache do not disturb each other",
            f"read in chunks of {case.told()} tokens, one number a row: after another continuation of the same cache, "
            "the first one gives other logits",
            grid=case.grid(),
        )
    for name in (name for name in answer if name.startswith("cache.")):
        if not same_bits(answer[name], answer["again." + name.removeprefix("cache.")]):
            raise CheckFailed(
                "overwritten",
                "the cache passed in is left as it was",
                f"{name.removeprefix('cache.0.')} of the cache changed while it was continued",
                grid=case.grid(),
            )


CHECK = Check(
    id="ragged-cache-unchanged",
    cases=ragged_cases(chunks=(2, 2)),
    holds=holds,
    needs=CACHE_WORKS,
    examples=3,
)
