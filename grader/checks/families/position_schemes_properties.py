"""Checks of what holds under every position scheme: no token sees the future, order matters, chunks decode alike."""

from collections.abc import Callable
from functools import partial

import numpy as np

from grader.checks.agreement import Agreement, chunked, standards
from grader.checks.check import CheckFailed, Context, check
from grader.checks.configuration_cases import (
    SchemeCase,
    SchemeDecodeCase,
    each_scheme,
    scheme_cases,
    scheme_decode_cases,
    scheme_snippet,
    under,
    with_scheme,
)
from grader.checks.families.kv_cache import cache_limits, cached_equals_full
from grader.checks.families.masking import (
    MODEL_WORKS,
    future_is_hidden,
    future_is_hidden_confirm,
    past_is_seen,
    require_hidden_future,
)
from grader.checks.families.position import order_matters, require_order
from grader.checks.families.position_schemes import HEARD
from grader.checks.families.projection import contract_errors, forward_runs
from grader.checks.requirements import must_refuse
from grader.packages.trouble import PackageRaised
from grader.result.record import TokenGrid
from grader.sandbox.questions import Decode, Forward, Generate

SCALE = 1e6  # of queries: whatever number a mask adds, half of all scores are further below zero


def _schemes_are_causal_confirm(case: SchemeCase, context: Context) -> None:
    """In fresh workers, each of the schemes."""
    for asked in each_scheme(case, context):
        with under(asked.position):
            future_is_hidden_confirm(asked, context)


def _schemes_are_causal_snippet(case: SchemeCase) -> str:
    """Change the last token; print and require what must not move."""
    return scheme_snippet(
        case,
        f"""
changed = tokens.clone()
changed[:, -1] = (changed[:, -1] + 1) % {case.vocab_size}
moved = (model(tokens) - model(changed))[:, :-1].abs().amax(dim=(0, 2))
print(position, moved)  # one number a position: all must be 0
assert not moved.any(), f"with position={{position!r}} a later token moved earlier logits"
""",
    )


@check(
    family="position-schemes",
    cases=scheme_cases(lengths=(2, 4), rows=(2, 3)),
    confirm=_schemes_are_causal_confirm,
    snippet=_schemes_are_causal_snippet,
    needs=(forward_runs, future_is_hidden),
    examples=3,
)
def schemes_are_causal(case: SchemeCase, context: Context) -> None:
    """With every position scheme, changing a later token never changes the logits before it.

    ## Why it matters
    A scheme that lives in attention comes with attention of its own, and the mask has to be in it too, also where
    scores have grown large. Learned positions say nothing about that.

    ## Usual causes
    - What a scheme adds to the scores is added after the mask, or in the place of the mask.
    - The mask is a large negative number that a bias outweighs.
    - Distances to keys that come later are negative, and pick a bias from the end of a table.
    """
    # What is asked of learned positions, of each scheme that is built.
    for asked in each_scheme(case, context):
        with under(asked.position):
            require_hidden_future(asked, context)
            require_hidden_future(asked, context, query_scale=SCALE)


def _schemes_tell_order_snippet(case: SchemeCase) -> str:
    """Swap the first two tokens."""
    return scheme_snippet(
        case,
        """
swapped = tokens.clone()
swapped[:, [0, 1]] = swapped[:, [1, 0]]
rows = tokens[:, 0] != tokens[:, 1]  # rows where the swap changes something
moved = (model(tokens) - model(swapped))[rows, -1].abs().amax(dim=1)
print(position, moved)
assert (moved > 1e-6).all(), f"with position={position!r} the order of earlier tokens does not matter"
""",
    )


@check(
    family="position-schemes",
    cases=scheme_cases(layers=(1,), lengths=(3, 5)),
    snippet=_schemes_tell_order_snippet,
    needs=(forward_runs, past_is_seen, order_matters),
    examples=3,
)
def schemes_tell_order(case: SchemeCase, context: Context) -> None:
    """With every position scheme, swapping two earlier tokens changes what comes after them.

    ## Why it matters
    This is what positions are for. A scheme that is asked for and never reaches the scores, or the residual stream,
    leaves a model that counts tokens and does not read them in order. It trains, and deeper models hide it.

    ## Usual causes
    - The scheme is made and then not used.
    - Only queries, or only keys, get their positions.
    - All distances come out alike, because they are clamped from the wrong side.
    """
    # What is asked of learned positions, of each scheme that is built; with weights of a size at which a scheme with
    # parameters of its own can be heard, which move the logits by other amounts than the reference's do.
    for asked in each_scheme(case, context):
        with under(asked.position):
            require_order(asked, context, scale=HEARD)


def _schemes_decode_alike_snippet(case: SchemeDecodeCase) -> str:
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


@check(
    family="position-schemes",
    cases=scheme_decode_cases(),
    snippet=_schemes_decode_alike_snippet,
    needs=(*MODEL_WORKS, cached_equals_full),
    examples=4,
)
def schemes_decode_alike(case: SchemeDecodeCase, context: Context) -> None:
    """With every position scheme, decoding in chunks gives the same logits as one forward over everything.

    ## Why it matters
    A token's position is its place in the text, and a distance is counted between two such places. In a cached step the
    first new token stands behind everything that is cached, and the keys it looks at stand before it.

    ## Usual causes
    - New queries are turned, or their distances counted, as if the chunk stood at the beginning.
    - Keys that were turned before they were cached are turned once more when they are read.
    - The bias for a full forward is used for a chunk, with its rows in the wrong place.
    """
    # All logits of all chunks, beside the logits of the full forward; where no cache is built, nothing is asked.
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


UNKNOWN = "rotary2"


@check(family="position-schemes", cases=scheme_cases(), needs=(forward_runs, contract_errors, cache_limits), examples=1)
def schemes_have_limits(case: SchemeCase, context: Context) -> None:
    """With every position scheme a block is full at block_size, and a scheme that does not exist is a ValueError.

    ## Why it matters
    Most schemes could go on past block_size, so that nothing stops a text that the model was never meant for. And a
    name that is misspelt must not quietly give a model of another kind, or one that knows no positions at all.

    ## Usual causes
    - The check of the length stands where only learned positions pass.
    - A table of the scheme is one row short, and a full block crashes.
    - The last scheme, or none at all, is what every other name gets.
    """
    # A full block and one token more, by forward, by generate and with a cache; then a name of no scheme.
    for asked in each_scheme(case, context):
        with under(asked.position):
            _block_ends(asked, context)
    unknown = Forward(config=with_scheme(case.config, UNKNOWN), weights=case.seeded(context.seeds))
    _where_built(partial(must_refuse, context, unknown, {"tokens.0": case.token_array()}, f"position={UNKNOWN!r}"))


def _block_ends(case: SchemeCase, context: Context) -> None:
    length, config, weights = case.block_size, case.config, case.seeded(context.seeds)
    too_long = np.resize(case.token_array(), (len(case.tokens), length + 1))
    full, last = too_long[:, :-1].copy(), too_long[:, -1:].copy()
    wrong = (length, length + 1)
    forward = Forward(config=config, weights=weights)
    context.ask(forward, {"tokens.0": full})
    must_refuse(context, forward, {"tokens.0": too_long}, f"T={length + 1} with block_size={length}", wrong)

    decode = Decode(config=config, weights=weights, parents=(-1, 0))
    _where_built(partial(context.ask, decode, {"chunk.0": full[:, :-1].copy(), "chunk.1": last}))
    what = "a cache that is full and one more token"
    _where_built(partial(must_refuse, context, decode, {"chunk.0": full, "chunk.1": last}, what, wrong))
    for use_cache in (True, False):
        generate = Generate(config=config, weights=weights, max_new_tokens=1, use_cache=use_cache)
        what = f"generate(use_cache={use_cache}) past block_size"
        _where_built(partial(must_refuse, context, generate, {"prompt": full}, what, wrong))


def _where_built(ask: Callable[[], object]) -> None:
    """Pass over what says itself that it is not built: that is for others to say."""
    try:
        ask()
    except PackageRaised as raised:
        if not raised.unbuilt:
            raise
