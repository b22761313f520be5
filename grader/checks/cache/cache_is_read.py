"""Changing a value in the cache changes the next logits.

## Why it matters
If it does not, the cache is an ornament: the model recomputes everything from tokens it has stored
elsewhere, and decoding gets slower with every token, as before.

## Usual causes
- forward_incremental runs the full forward over remembered tokens and returns a cache for show.
- Only the keys, or only the values, of the cache are used.
"""

import numpy as np

from grader.checks.cache.cache_travels import cache_tensors, given
from grader.checks.cache.cases import MODEL_WORKS, DecodeCase, decode_cases
from grader.checks.check import Bench, Check, Counterexample
from grader.compare import TOLERANCES
from grader.oracle import Oracle
from grader.sandbox.questions import Decode
from grader.sandbox.wire import Array


def holds(case: DecodeCase, bench: Bench) -> None:
    """Each layer's keys and values are altered in turn; logits must move where a correct model's do."""
    moved, must_move = _moves(case, bench.candidate, bench), _moves(case, bench.matched, bench)
    for name, expected in must_move.items():
        if expected and not moved.get(name, False):
            part, layer = name.split(".")
            what = "keys" if part == "k" else "values"
            raise Counterexample(
                "unread",
                "the next logits are computed from the cache",
                f"the cached {what} of layer {layer} were altered, and the next logits stayed the same",
            )


def _moves(case: DecodeCase, oracle: Oracle, bench: Bench) -> dict[str, bool]:
    """For each tensor of the cache: whether altering it moves the logits of the last chunk."""
    last = len(case.chunks) - 1
    before = oracle.ask(case.in_turn(bench.seeds, keep=(last - 1,)), case.chunk_tensors())
    cache = cache_tensors(before, last - 1)
    tensors: dict[str, Array] = {}
    for index, (name, values) in enumerate(cache.items()):
        tensors[f"chunk.{index}"] = case.pieces()[last]
        tensors |= given(cache | {name: _altered(values)}, index)
    parents = tuple(-2 - index for index in range(len(cache)))
    question = Decode(config=case.config, weights=case.seeded(bench.seeds), parents=parents, layers=len(cache) // 2)
    after = oracle.ask(question, tensors)
    base = before[f"logits.{last}"]
    return {name: _moved(after[f"logits.{index}"], base) for index, name in enumerate(cache)}


def _moved(after: Array, base: Array) -> bool:
    if after.shape != base.shape or after.dtype.kind != "f" or base.dtype.kind != "f":
        return True
    scale = float(np.max(np.abs(base), initial=1e-30))
    return bool(np.max(np.abs(after - base)) > TOLERANCES["movement beyond rounding"].relative * scale)


def _altered(values: Array) -> Array:
    """Other values, not merely shifted: softmax does not see a constant added to every key."""
    flipped: Array = np.cos(3 * values) - values
    return flipped


CHECK = Check(
    id="cache-is-read",
    needs=MODEL_WORKS,
    # Equal tokens may have equal values, and then no key matters.
    cases=decode_cases(lengths=(2, 5), distinct=True),
    holds=holds,
    examples=3,
)
