"""Decoded in chunks, a token is at the position that it has in the whole text.

## Why it matters
A token's position is its place in the text, and not in the chunk that it happens to arrive in. In generation a chunk
is one token: if positions start again with every chunk, all new tokens stand at the beginning.

## Usual causes
- Positions of a chunk are counted from zero instead of from the number of tokens that are cached.
- They are counted from the number of chunks, or from the length of the prompt.
"""

from grader.checks.ablation import SILENT_ATTENTION, silence
from grader.checks.cache.agreement import closeness, joined
from grader.checks.cache.cases import DecodeCase, decode_cases
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.snippets import model_snippet
from grader.packages.package import PackageRaised
from grader.result.record import TokenGrid
from grader.sandbox.questions import Decode


def holds(case: DecodeCase, context: Context) -> None:
    """Attention adds nothing, so that a position is all that a token knows of its place: chunks, beside one chunk."""
    weights = case.seeded(context.seeds, factors=SILENT_ATTENTION)
    parents = (*range(-1, len(case.chunks) - 1), -1)
    whole = len(case.chunks)
    question = Decode(config=case.config, weights=weights, parents=parents)
    try:
        answer = context.ask(question, {**case.chunk_tensors(), f"chunk.{whole}": case.token_array()})
    except PackageRaised as raised:
        if raised.unbuilt:
            return  # there is no chunk yet that could be wrong; that it is to be built is for others to say
        raise
    decoded = joined([answer[f"logits.{i}"] for i in range(len(case.chunks))])
    if closeness(decoded, answer[f"logits.{whole}"]) is None:
        raise CheckFailed(
            "position-by-chunk",
            "a token's position is its place in the text, whatever chunk it is in",
            f"with attention that adds nothing, chunks of {' + '.join(map(str, case.chunks))} tokens"
            " have other logits than one chunk",
            grid=TokenGrid(tokens=case.tokens),
        )


def snippet(case: DecodeCase) -> str:
    """Decode in chunks and in one, without what attention adds."""
    return model_snippet(
        case,
        silence("attn.proj")
        + f"""
whole, _ = model.forward_incremental(tokens)
cache, parts = None, []
for chunk in tokens.split({list(case.chunks)}, dim=1):
    logits, cache = model.forward_incremental(chunk, cache)
    parts.append(logits)
difference = (torch.cat(parts, dim=1) - whole).abs().amax(dim=(0, 2))  # one number a position
print(difference)
assert (difference <= 1e-9).all(), "a token's position depends on the chunk it is in"
""",
    )


CHECK = Check(
    id="chunks-keep-positions",
    cases=decode_cases(lengths=(2, 6)),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "parameter-shapes"),
    examples=3,
)
