"""Changing a value in the cache changes the next logits, and changing it a little changes them a little.

## Why it matters
If it does not, the cache is an ornament: the model recomputes everything from tokens it has stored
elsewhere, or hidden in the cache, and decoding gets slower with every token, as before.

## Usual causes
- forward_incremental runs the full forward over remembered tokens and returns a cache for show.
- Only the keys, or only the values, of the cache are used.
- What is cached are tokens and not what was computed from them.
"""

from typing import Final, NamedTuple

import numpy as np

from grader.checks.cache.cache_travels import cache_tensors, given, keys_and_values
from grader.checks.cache.cases import MODEL_WORKS, DecodeCase, decode_cases
from grader.checks.check import Bench, Check, Counterexample
from grader.compare import TOLERANCES
from grader.oracle import Oracle
from grader.sandbox.questions import Decode
from grader.sandbox.wire import Array

WHOLLY: Final = 1.0
SLIGHTLY: Final = 1e-3
SHARES: Final = (WHOLLY, SLIGHTLY, 2 * SLIGHTLY)
# Of the largest logit: how far a slight change must take a correct model's logits to be asked of others as well. A
# softmax in float32 blurs the logits by a hundredth of that.
CLEARLY: Final = 1e-4
# How far twice a slight change may be from having twice the effect. Correct models: 0.007; tokens that are read off
# the cache move nothing at all, or jump.
BENT: Final = 0.3


class Response(NamedTuple):
    """What altering one tensor of the cache does to the logits of the last chunk."""

    moved: bool  # when altered wholly
    clear: bool  # whether a slight change has an effect that is well above rounding
    bend: float  # how far twice a slight change is from having twice the effect, as a share of it


def holds(case: DecodeCase, bench: Bench) -> None:
    """Each layer's keys and values are altered in turn; logits must move where, and as, a correct model's do."""
    responses, expected = _responses(case, bench.candidate, bench), _responses(case, bench.matched, bench)
    for name, right in expected.items():
        part, layer = name.split(".")
        what = f"the cached {'keys' if part == 'k' else 'values'} of layer {layer}"
        response = responses.get(name)
        if right.moved and (response is None or not response.moved):
            raise Counterexample(
                "unread",
                "the next logits are computed from the cache",
                f"{what} were altered, and the next logits stayed the same",
            )
        if right.clear and right.bend <= BENT / 3 and response is not None and not response.bend <= BENT:
            raise Counterexample(
                "unsmooth",
                "the next logits are computed from the cache, and follow small changes of it",
                f"{what} were altered a little and then twice as much, and the next logits did not follow",
            )


def _responses(case: DecodeCase, oracle: Oracle, bench: Bench) -> dict[str, Response]:
    """By tensor of the cache, what altering it does."""
    last = len(case.chunks) - 1
    before = oracle.ask(case.in_turn(bench.seeds, keep=(last - 1,)), case.chunk_tensors())
    cache = cache_tensors(before, last - 1)
    kept = keys_and_values(cache)
    altered = [(name, share) for name in kept for share in SHARES]
    tensors: dict[str, Array] = {}
    for index, (name, share) in enumerate(altered):
        tensors[f"chunk.{index}"] = case.pieces()[last]
        tensors |= given(cache | {name: _altered(cache[name], share)}, index)
    parents = tuple(-2 - index for index in range(len(altered)))
    question = Decode(config=case.config, weights=case.seeded(bench.seeds), parents=parents, layers=len(kept) // 2)
    after = oracle.ask(question, tensors)
    base = before[f"logits.{last}"]
    found = {key: after[f"logits.{index}"] for index, key in enumerate(altered)}
    return {name: _response(base, *(found[name, share] for share in SHARES)) for name in kept}


def _response(base: Array, wholly: Array, once: Array, twice: Array) -> Response:
    if any(after.shape != base.shape or after.dtype.kind != "f" for after in (base, wholly, once, twice)):
        return Response(moved=True, clear=False, bend=0.0)
    scale = float(np.max(np.abs(base), initial=1e-30))
    moved = bool(np.max(np.abs(wholly - base)) > TOLERANCES["movement beyond rounding"].relative * scale)
    effect = float(np.max(np.abs(twice - base)))
    bend = float(np.max(np.abs((twice - base) - 2 * (once - base)))) / effect if effect else np.inf
    return Response(moved=moved, clear=effect > CLEARLY * scale, bend=bend)


def _altered(values: Array, share: float) -> Array:
    """Other values, not merely shifted: softmax does not see a constant added to every key."""
    altered: Array = values + share * (np.cos(3 * values) - 2 * values)
    return altered


CHECK = Check(
    id="cache-is-read",
    needs=MODEL_WORKS,
    # Equal tokens may have equal values, and then no key matters.
    cases=decode_cases(lengths=(2, 5), distinct=True),
    holds=holds,
    examples=3,
)
