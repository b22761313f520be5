"""Each layer's cache has shape (B, H, T, D) and grows by exactly the new tokens.

## Why it matters
A cache that holds more than it needs eats memory with every token, one that holds less forgets, and one
with another layout cannot be exchanged.

## Usual causes
- The whole sequence is appended again instead of the new tokens.
- Heads, time and batch are in another order.
- All layers share one entry.
"""

from grader.checks.cache.cache_travels import cache_tensors, keys_and_values
from grader.checks.cache.cases import MODEL_WORKS, DecodeCase, decode_cases
from grader.checks.check import Bench, Check, Counterexample


def holds(case: DecodeCase, bench: Bench) -> None:
    """Shapes after every chunk; and what was cached stays as it was."""
    steps = range(len(case.chunks))
    answer = bench.ask(case.in_turn(bench.seeds, keep=tuple(steps)), case.chunk_tensors())
    seen = 0
    for step in steps:
        seen += case.chunks[step]
        expected = (len(case.tokens), 1, seen, case.d_model)
        cache = keys_and_values(cache_tensors(answer, step))
        if len(cache) != 2 * case.n_layer:
            raise Counterexample(
                "layers", f"the cache has one entry for each of {case.n_layer} layers", f"it has {len(cache) // 2}"
            )
        for name, array in cache.items():
            if array.shape != expected:
                part, layer = name.split(".")
                raise Counterexample(
                    "cache-shape",
                    f"after {seen} tokens layers[{layer}].{part} has shape (B, H, T, D) = {expected}",
                    f"it has shape {tuple(array.shape)}",
                )


CHECK = Check(
    id="cache-grows",
    needs=MODEL_WORKS,
    cases=decode_cases(),
    holds=holds,
    examples=3,
)
