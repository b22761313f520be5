"""Past block_size, and with a cache of another batch size, there is a ValueError.

## Why it matters
There is no position for a token beyond the block. Without an error the model reads a wrong row, wraps
around, or crashes somewhere deep inside with a message that helps nobody.

## Usual causes
- Only the new chunk's length is checked, not cached and new tokens together.
- generate starts and only fails on the way.
"""

import numpy as np

from grader.checks.cache.cache_travels import cache_tensors, given, keys_and_values
from grader.checks.cache.cases import MODEL_WORKS, DecodeCase, decode_cases
from grader.checks.check import Bench, Check, Counterexample
from grader.checks.refusal import must_refuse
from grader.sandbox.questions import Decode, Generate


def holds(case: DecodeCase, bench: Bench) -> None:
    """Three ways to ask for too much."""
    weights = case.seeded(bench.seeds)
    rows, length = len(case.tokens), case.block_size
    full = np.resize(case.token_array(), (rows, length))
    one = full[:, :1].copy()
    within = bench.ask(Decode(config=case.config, weights=weights, parents=(-1,), keep=(0,)), {"chunk.0": full})
    beyond = Decode(config=case.config, weights=weights, parents=(-1, 0))
    too_long = (length, length + 1)
    must_refuse(bench, beyond, {"chunk.0": full, "chunk.1": one}, "a cache that is full and one more token", too_long)
    for use_cache in (True, False):
        generate = Generate(config=case.config, weights=weights, max_new_tokens=1, use_cache=use_cache)
        must_refuse(bench, generate, {"prompt": full}, f"generate(use_cache={use_cache}) past block_size", too_long)
    cache = cache_tensors(within, 0)
    kept = keys_and_values(cache)
    if any(array.ndim != 4 for array in kept.values()):
        raise Counterexample("cache-shape", "cached keys and values have shape (B, H, T, D)", "they have another")
    shorter = {name: array[:, :, :1].copy() for name, array in kept.items()}
    if "lengths" in cache:
        shorter["lengths"] = np.minimum(cache["lengths"], 1)
    taller = Decode(config=case.config, weights=weights, parents=(-2,), layers=len(kept) // 2)
    tensors = {"chunk.0": np.concatenate([one, one]), **given(shorter)}
    must_refuse(bench, taller, tensors, "a cache of another batch size", (rows, 2 * rows))


CHECK = Check(
    id="cache-limits",
    needs=MODEL_WORKS,
    cases=decode_cases(lengths=(2, 4)),
    holds=holds,
    examples=1,
)
