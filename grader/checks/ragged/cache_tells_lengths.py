"""The cache says how many tokens each row has, and keeps them first.

## Why it matters
`lengths` is all that tells a row's tokens from what is beside them: who drops rows, sends a cache elsewhere or goes on
with it later has nothing else to go by.

## Usual causes
- It holds the lengths of the last chunk, not of all that was read.
- Padding is counted.
- It is made from the plain path's cache, and gets lost there.
"""

from grader.checks.cache.cache_travels import cache_tensors
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.ragged.cases import CACHE_WORKS, RaggedCase, ragged_cases
from grader.sandbox.wire import Tensors


def holds(case: RaggedCase, context: Context) -> None:
    """After every chunk."""
    steps = range(len(case.lengths))
    answer = context.ask(case.in_turn(context.seeds, keep=tuple(steps)), case.steps())
    for step in steps:
        cache = cache_tensors(answer, step)
        totals = case.totals(step + 1)
        told = cache.pop("lengths", None)
        if told is None and len(set(totals)) == 1:
            continue  # rows of one length may as well be kept in a plain cache
        after = f"read in chunks of {case.told()} tokens, one number a row, after chunk {step} "
        claim = f"cache.lengths is then {list(totals)}, int64 (B,): all tokens that each row has read"
        if told is None:
            raise CheckFailed("no-lengths", claim, f"{after}it is None", grid=case.grid())
        if told.shape != (len(totals),) or told.dtype.kind not in "iu":
            shape = f"{told.dtype} of shape {tuple(told.shape)}"
            raise CheckFailed("lengths-shape", claim, f"{after}it is {shape}", grid=case.grid())
        if told.tolist() != list(totals):
            raise CheckFailed("other-lengths", claim, f"{after}it is {told.tolist()}", grid=case.grid())
        _must_have_room(case, cache, max(totals))


def _must_have_room(case: RaggedCase, cache: Tensors, longest: int) -> None:
    rows, width = len(case.tokens), case.d_model
    for name, array in cache.items():
        shape = tuple(array.shape)
        if len(shape) != 4 or shape[:2] != (rows, 1) or shape[2] < longest or shape[3] != width:
            part, layer = name.split(".")
            raise CheckFailed(
                "cache-shape",
                f"layers[{layer}].{part} has shape (B, H, T, D) = ({rows}, 1, T, {width}), T at least {longest}",
                f"it has shape {shape}",
            )


CHECK = Check(
    id="ragged-cache-tells-lengths",
    cases=ragged_cases(),
    holds=holds,
    needs=CACHE_WORKS,
    examples=3,
)
