"""With every position scheme a block is full at block_size, and a scheme that does not exist is a ValueError.

## Why it matters
Most schemes could go on past block_size, so that nothing stops a text that the model was never meant for. And a name
that is misspelt must not quietly give a model of another kind, or one that knows no positions at all.

## Usual causes
- The check of the length stands where only learned positions pass.
- A table of the scheme is one row short, and a full block crashes.
- The last scheme, or none at all, is what every other name gets.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from grader.checks.check import Check, Context
from grader.checks.refusal import must_refuse
from grader.checks.schemes.cases import SchemeCase, each_scheme, scheme_cases, under, with_scheme
from grader.packages.package import PackageRaised
from grader.sandbox.questions import Decode, Forward, Generate

UNKNOWN = "rotary2"


def holds(case: SchemeCase, context: Context) -> None:
    """A full block and one token more, by forward, by generate and with a cache; then a name that nobody has built."""
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


CHECK = Check(
    id="schemes-have-limits",
    cases=scheme_cases(),
    holds=holds,
    needs=("forward-runs", "contract-errors", "cache-limits"),
    examples=1,
)
