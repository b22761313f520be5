"""Decoding in chunks gives the same logits as one forward over everything.

## Why it matters
A cache is an optimisation: it may change how long an answer takes, never the answer.

## Usual causes
- Positions of a new chunk start at 0 again instead of after what is cached.
- Inside a chunk of several tokens there is no causal mask, or it is aligned to the wrong corner.
- New keys are put before the old ones, or keys are cached and values are not.
- The cache of one layer is used in another.
"""

from grader.checks.cache.agreement import Agreement, full, joined, standards
from grader.checks.cache.cases import MODEL_WORKS, DecodeCase, decode_cases, few_decoded
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.grids import beyond_rounding, places
from grader.checks.snippets import model_snippet
from grader.extent import MODEL
from grader.packages.package import Trouble
from grader.result.record import TokenGrid
from grader.sandbox.wire import Array


def holds(case: DecodeCase, context: Context) -> None:
    """All logits of all chunks, beside the logits of the full forward."""
    agreement = context.state.setdefault("agreement", Agreement(context, standards(context)))
    answer = context.ask(case.in_turn(context.seeds), case.chunk_tensors())
    decoded = joined([answer[f"logits.{i}"] for i in range(len(case.chunks))])
    if not agreement.holds(case, decoded):
        raise CheckFailed(
            "cache-differs",
            "logits of cached decoding are those of the full forward (in float64, up to rounding)",
            f"decoded in chunks of {' + '.join(map(str, case.chunks))} tokens they are others",
            grid=_grid(case, decoded, context),
        )


def _grid(case: DecodeCase, decoded: Array, context: Context) -> TokenGrid:
    """Where the logits are not those of the candidate's own forward, if the two can be compared."""
    plain = TokenGrid(tokens=case.tokens)
    try:
        forward = full(case, context.candidate, context)
    except Trouble:
        return plain
    if decoded.shape != forward.shape or not decoded.size or {decoded.dtype.kind, forward.dtype.kind} != {"f"}:
        return plain
    others = tuple(places(beyond_rounding(decoded, forward)))
    return TokenGrid(tokens=case.tokens, moved=others, wrong=others)


def snippet(case: DecodeCase) -> str:
    """Decode in the same chunks."""
    return model_snippet(
        case,
        f"""
full = model(tokens)
cache, parts = None, []
for chunk in tokens.split({list(case.chunks)}, dim=1):
    logits, cache = model.forward_incremental(chunk, cache)
    parts.append(logits)
difference = (torch.cat(parts, dim=1) - full).abs().amax(dim=(0, 2))  # one number a position
print(difference)
assert (difference <= 1e-9).all(), "cached decoding differs from the full forward"
""",
    )


CHECK = Check(
    id="cached-equals-full",
    needs=MODEL_WORKS,
    cases=decode_cases(),
    holds=holds,
    at_size=few_decoded,
    default=MODEL,
    snippet=snippet,
    examples=8,
)
