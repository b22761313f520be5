"""Decoded in chunks, changing a later token of a chunk never changes the logits before it.

## Why it matters
One new token may see all that came before it, so that incremental decoding seems to need no mask. A prompt arrives as
a chunk of many tokens: without a mask they see each other, and their keys and values stay in the cache for good.

## Usual causes
- The mask is left out, or has one row that all tokens of the chunk share.
- The mask of the chunk is lined up with the first keys instead of the last.
"""

from grader.checks.cache.cases import DecodeCase, decode_cases
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.grids import altered, moved_rows
from grader.checks.masking.future_is_hidden import with_other_future
from grader.checks.snippets import model_snippet
from grader.packages.package import PackageRaised
from grader.sandbox.questions import Decode


def holds(case: DecodeCase, context: Context) -> None:
    """The text as a beginning and a last chunk; then the chunk's tokens from each position on are replaced."""
    begin = case.length - case.chunks[-1]
    first = {"chunk.0": case.token_array()[:, :begin]} if begin else {}
    before = len(first)  # the step of the last chunk as it is
    starts = range(begin + 1, case.length)
    last = [case.token_array(), *(with_other_future(case, start) for start in starts)]
    chunks = first | {f"chunk.{before + i}": tokens[:, begin:] for i, tokens in enumerate(last)}
    parents = (-1,) * before + (before - 1,) * len(last)
    question = Decode(config=case.config, weights=case.seeded(context.seeds), parents=parents, precision="float32")
    try:
        answer = context.ask(question, {name: tokens.copy() for name, tokens in chunks.items()})
    except PackageRaised as raised:
        if raised.unbuilt:
            return  # there is no chunk yet that could be wrong; that it is to be built is for others to say
        raise
    for i, start in enumerate(starts, before + 1):
        moved = [(row, begin + t) for row, t in moved_rows(answer[f"logits.{i}"], answer[f"logits.{before}"])]
        early = [(row, t) for row, t in moved if t < start]
        if early:
            raise CheckFailed(
                "leak",
                "within a chunk too, the logits before a changed token stay the same, bit for bit",
                f"{begin} tokens are cached; in the chunk after them, tokens from position {start} on were changed,"
                f" and the logits at position {early[0][1]} moved",
                grid=altered(last[0], last[start - begin], moved=moved, wrong=early),
            )


def snippet(case: DecodeCase) -> str:
    """Change the last token of the last chunk."""
    return model_snippet(
        case,
        f"""
begin = {case.length - case.chunks[-1]}  # so many tokens come in a chunk before
cache = model.forward_incremental(tokens[:, :begin])[1] if begin else None
changed = tokens.clone()
changed[:, -1] = (changed[:, -1] + 1) % {case.vocab_size}
before, _ = model.forward_incremental(tokens[:, begin:], cache)
after, _ = model.forward_incremental(changed[:, begin:], cache)
print((before[:, :-1] - after[:, :-1]).abs().amax(dim=(0, 2)))  # one number a position: all must be 0
assert torch.equal(before[:, :-1], after[:, :-1]), "a later token of the chunk moved earlier logits"
""",
    )


CHECK = Check(
    id="chunk-is-causal",
    cases=decode_cases(at_least=1).filter(lambda case: case.chunks[-1] > 1),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "future-is-hidden"),
    examples=4,
)
