"""With every position scheme, decoding in chunks gives the same logits as one forward over everything.

## Why it matters
A token's position is its place in the text, and a distance is counted between two such places. In a cached step the
first new token stands behind everything that is cached, and the keys it looks at stand before it.

## Usual causes
- New queries are turned, or their distances counted, as if the chunk stood at the beginning.
- Keys that were turned before they were cached are turned once more when they are read.
- The bias for a full forward is used for a chunk, with its rows in the wrong place.
"""

from grader.checks.cache.agreement import Agreement, chunked, standards
from grader.checks.cache.cases import MODEL_WORKS
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.schemes.cases import SchemeDecodeCase, each_scheme, scheme_decode_cases
from grader.checks.schemes.snippets import scheme_snippet
from grader.packages.package import PackageRaised
from grader.result.record import TokenGrid


def holds(case: SchemeDecodeCase, context: Context) -> None:
    """All logits of all chunks, beside the logits of the full forward; where no cache is built, nothing is asked."""
    for asked in each_scheme(case, context):
        agreement = context.state.setdefault(f"agreement {asked.position}", Agreement(context, standards(context)))
        try:
            decoded = chunked(asked, context.candidate, context)
        except PackageRaised as raised:
            if raised.unbuilt:
                continue  # that the cache is to be built is for others to say
            raise
        if not agreement.holds(asked, decoded):
            raise CheckFailed(
                "cache-differs",
                "logits of cached decoding are those of the full forward (in float64, up to rounding)",
                f"with position={asked.position!r} and chunks of {' + '.join(map(str, case.chunks))} tokens they are"
                " others",
                grid=TokenGrid(tokens=case.tokens),
            )


def snippet(case: SchemeDecodeCase) -> str:
    """Decode in the same chunks."""
    return scheme_snippet(
        case,
        f"""
cache, parts = None, []
for chunk in tokens.split({list(case.chunks)}, dim=1):
    logits, cache = model.forward_incremental(chunk, cache)
    parts.append(logits)
difference = (torch.cat(parts, dim=1) - model(tokens)).abs().amax(dim=(0, 2))
print(position, difference)  # one number a position
assert (difference <= 1e-9).all(), f"with position={{position!r}} cached decoding differs from the full forward"
""",
    )


CHECK = Check(
    id="schemes-decode-alike",
    cases=scheme_decode_cases(),
    holds=holds,
    snippet=snippet,
    needs=(*MODEL_WORKS, "cached-equals-full"),
    examples=4,
)
