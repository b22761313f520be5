"""Changing a value in the cache changes the next logits.

## Why it matters
If it does not, the cache is an ornament: the model recomputes everything from tokens it has stored
elsewhere, and decoding gets slower with every token, as before.

## Usual causes
- forward_incremental runs the full forward over remembered tokens and returns a cache for show.
- Only the keys, or only the values, of the cache are used.
"""

import numpy as np

from grader.checks.cache.cache_travels import cache_tensors
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
    question = Decode(config=case.config, weights=case.seeded(bench.seeds), parents=(-2,), layers=len(cache) // 2)
    base = before[f"logits.{last}"]
    moves: dict[str, bool] = {}
    for name, values in cache.items():
        altered = cache | {name: _altered(values)}
        after = oracle.ask(question, {"chunk.0": case.pieces()[last], **altered})["logits.0"]
        scale = float(np.max(np.abs(base), initial=1e-30))
        comparable = after.shape == base.shape and after.dtype.kind == base.dtype.kind == "f"
        distance = np.max(np.abs(after - base)) if comparable else np.inf
        moves[name] = bool(distance > TOLERANCES["movement beyond rounding"].relative * scale)
    return moves


def _altered(values: Array) -> Array:
    """Other values, not merely shifted: softmax does not see a constant added to every key."""
    flipped: Array = np.cos(3 * values) - values
    return flipped


CHECK = Check(
    id="cache-is-read",
    needs=MODEL_WORKS,
    cases=decode_cases(lengths=(2, 5)),
    holds=holds,
    examples=3,
)
