"""A cache that was passed in is left as it was, so one cache can be continued twice.

## Why it matters
Beam search, speculative decoding and retries all continue one cache in several ways. If the first
continuation writes into it, the second silently continues something else.

## Usual causes
- New keys are written into the old tensors, or appended to the old list.
- The cache lives on the model, and what is passed around only points to it.
"""

from grader.checks.cache.cases import MODEL_WORKS, DecodeCase, decode_cases, shallow_decoded
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import same_bits
from grader.sandbox.questions import Decode


def holds(case: DecodeCase, context: Context) -> None:
    """Prefill, continue it one way, another way, and the first way again."""
    prompt, rest = case.token_array()[:, : case.chunks[0]], case.token_array()[:, case.chunks[0] :]
    question = Decode(
        config=case.config, weights=case.seeded(context.seeds), parents=(-1, 0, 0, 0), keep=(0, 2), recheck=True
    )
    other = (rest + 1) % case.vocab_size
    answer = context.ask(question, {"chunk.0": prompt, "chunk.1": rest, "chunk.2": other, "chunk.3": rest})
    if not same_bits(answer["logits.1"], answer["logits.3"]):
        raise CheckFailed(
            "disturbed",
            "two continuations of one cache do not disturb each other",
            "after another continuation of the same cache, the first one gives other logits",
        )
    for name in (name for name in answer if name.startswith("cache.")):
        if not same_bits(answer[name], answer["again." + name.removeprefix("cache.")]):
            raise CheckFailed(
                "overwritten",
                "the cache passed in is left as it was",
                f"{name[len('cache.0.') :]} of the cache changed while "
                + (
                    "it was continued" if name.startswith("cache.0.") else "another continuation of its prompt was made"
                ),
            )


CHECK = Check(
    id="cache-unchanged",
    needs=MODEL_WORKS,
    cases=decode_cases(),
    holds=holds,
    at_size=shallow_decoded,
    examples=3,
)
