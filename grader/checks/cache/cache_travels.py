"""A cache handed to another process continues there as if nothing had happened.

## Why it matters
The cache is all that decoding may need of the past: serving systems move it between machines, share it
between requests and throw the model object away in between.

## Usual causes
- The model keeps tokens, positions or keys on itself beside the cache it returns.
- The cache does not hold everything, and the rest is recomputed from what the object remembers.
"""

from grader.checks.cache.agreement import closeness
from grader.checks.cache.cases import MODEL_WORKS, DecodeCase, decode_cases, shallow_decoded
from grader.checks.check import Bench, Check, Counterexample
from grader.record import TokenGrid
from grader.sandbox.questions import Decode
from grader.sandbox.wire import Array, Tensors


def holds(case: DecodeCase, bench: Bench) -> None:
    """The last chunk is decoded by a worker that has never seen a prompt, from the tensors alone."""
    last = len(case.chunks) - 1
    here = bench.ask(case.in_turn(bench.seeds, keep=(last - 1,)), case.chunk_tensors())
    cache = cache_tensors(here, last - 1)
    question = Decode(config=case.config, weights=case.seeded(bench.seeds), parents=(-2,), layers=len(cache) // 2)
    there = bench.stranger.ask(question, {"chunk.0": case.pieces()[last], **given(cache)})
    lane = closeness(there["logits.0"], here[f"logits.{last}"])
    if lane is None:
        raise Counterexample(
            "stateful",
            "the cache's tensors are all that is needed to go on",
            "another process, given the cache and the next tokens, computes other logits",
            grid=TokenGrid(tokens=case.tokens),
        )
    bench.lanes.add(lane)


def cache_tensors(answer: Tensors, step: int) -> dict[str, Array]:
    """The cache kept after ``step``: k.0, v.0, k.1, ..., and lengths where it has them."""
    prefix = f"cache.{step}."
    return {name.removeprefix(prefix): array for name, array in answer.items() if name.startswith(prefix)}


def keys_and_values(cache: Tensors) -> dict[str, Array]:
    """What of a cache is computed: k.0, v.0, k.1, ... A cache whose rows are full may tell their lengths too."""
    return {name: array for name, array in cache.items() if name != "lengths"}


def given(cache: Tensors, index: int = 0) -> dict[str, Array]:
    """A cache under the names by which ``Decode`` takes its given cache ``index``."""
    return {f"given.{index}.{name}": array for name, array in cache.items()}


CHECK = Check(
    id="cache-travels",
    needs=MODEL_WORKS,
    cases=decode_cases(),
    holds=holds,
    at_size=shallow_decoded,
    examples=4,
)
