"""Decoding goes on from whatever the cache holds: keys of one text with values of another, in any order.

## Why it matters
Attention reads each layer's keys and values as they are; it neither knows nor cares which text they come from. A model
that reads tokens off its cache and computes everything anew does as much work as one without a cache.

## Usual causes
- forward_incremental finds out which tokens the cache belongs to, and runs the full forward over them.
- Only some layers of the cache are used, and the others are computed again.
"""

from typing import Final

import numpy as np
from msgspec.structs import replace

from grader.checks.cache.agreement import closeness, full
from grader.checks.cache.cache_travels import cache_tensors, given, keys_and_values
from grader.checks.cache.cases import MODEL_WORKS, DecodeCase, decode_cases
from grader.checks.check import Bench, Check, Counterexample
from grader.checks.silence import SILENT_ATTENTION, Factors
from grader.compare import close, finite
from grader.oracle import Oracle, Trouble, is_machines
from grader.sandbox.questions import Decode
from grader.sandbox.wire import Array, Tensors

LONG: Final = 66, 96  # tokens, smallest and largest: past every default
NEARLY: Final = (
    "logits, another epsilon"  # honest ones need no more; hollow ones are off by as much as logits are large
)

LAYERS: Final = "the first layer's part of one text's cache and the other layers' of another's"
PARTS: Final = "the keys of one text's cache and the values of another's"
ORDER: Final = "a cache in another order"

Caches = tuple[Tensors, Tensors]
"""Those of a case's text and of another text of the same size, each as k.0, v.0, k.1, ..."""


def holds(case: DecodeCase, bench: Bench) -> None:
    """From mixed caches of the candidate's, it goes on as a variant of the reference does from mixed caches of its own.

    Each from its own, so that keys may be kept scaled, or anything else in their places.
    """
    found = _continued(case, bench.candidate, bench)
    for variant in bench.variants():
        expected = _expected(case, variant, bench)
        if expected is not None and all(_near(found[what], expected[what]) for what in found):
            return
    if not _is_known(case, bench):
        _judge_by_itself(case, bench)
        return
    raise Counterexample(
        "recomputed",
        "the next logits are computed from the cache's keys and values, whatever texts they come from",
        f"from {LAYERS}, from {PARTS}, or from {ORDER}, the next logits are others than those that follow from them",
    )


def confirm(case: DecodeCase, bench: Bench) -> None:
    """The same of a long text, drawn by the grade's seed."""
    random = np.random.default_rng(bench.seeds.derive("long text", case.weights))
    length = int(random.integers(LONG[0], LONG[1] + 1))
    tokens = random.integers(0, case.vocab_size, (len(case.tokens), length))
    longer = replace(
        case,
        block_size=length,
        tokens=tuple(map(tuple, tokens.tolist())),
        chunks=(length - case.chunks[-1], case.chunks[-1]),
    )
    holds(longer, bench)


def _continued(case: DecodeCase, oracle: Oracle, bench: Bench) -> dict[str, Array]:
    """The logits of the case's last chunk after each kind of mixed cache."""
    one, other = _caches(case, oracle, bench, {})
    random = np.random.default_rng(bench.seeds.derive("another order", case.weights))
    mixed = {
        LAYERS: {name: one[name] if name.endswith(".0") else other[name] for name in one},
        PARTS: {name: one[name] if name.startswith("k.") else other[name] for name in one},
        ORDER: _shuffled(one, random),
    }
    return dict(zip(mixed, _go_on(case, oracle, bench, {}, *mixed.values()), strict=True))


def _expected(case: DecodeCase, variant: Oracle, bench: Bench) -> dict[str, Array] | None:
    try:
        return _continued(case, variant, bench)
    except Trouble as trouble:
        if is_machines(trouble):
            raise
        return None


def _near(actual: Array, expected: Array) -> bool:
    return actual.dtype.kind == "f" and finite(actual) and finite(expected) and close(actual, expected, NEARLY)


def _is_known(case: DecodeCase, bench: Bench) -> bool:
    """Whether the candidate's model is one that there is a standard for, its cache apart."""
    own = full(case, bench.candidate, bench)
    return any(_near(own, full(case, variant, bench)) for variant in bench.variants())


def _judge_by_itself(case: DecodeCase, bench: Bench) -> None:
    """Where attention of a single layer adds anything, that layer's cache decides, and no other layer's."""
    for layer in range(case.n_layer):
        silent = {f"blocks.{i}.{name}": 0.0 for i in range(case.n_layer) if i != layer for name in SILENT_ATTENTION}
        one, other = _caches(case, bench.candidate, bench, silent)
        mixed = {name: one[name] if name.endswith(f".{layer}") else other[name] for name in one}
        whole, logits = _go_on(case, bench.candidate, bench, silent, one, mixed)
        if closeness(logits, whole) is None:
            raise Counterexample(
                "recomputed",
                "the next logits are computed from the cache's keys and values, whatever texts they come from",
                f"where layer {layer} alone attends, the other layers' part of the cache moves them",
            )


def _caches(case: DecodeCase, oracle: Oracle, bench: Bench, factors: Factors) -> Caches:
    """The caches of the case's text, without its last chunk, and of another one of that size."""
    past = np.concatenate(case.pieces()[:-1], axis=1)
    random = np.random.default_rng(bench.seeds.derive("another text", case.weights))
    other = (past + random.integers(1, case.vocab_size, past.shape)) % case.vocab_size
    weights = case.seeded(bench.seeds, factors=factors)
    question = Decode(config=case.config, weights=weights, parents=(-1, -1), keep=(0, 1))
    answer = oracle.ask(question, {"chunk.0": past, "chunk.1": other})
    return cache_tensors(answer, 0), cache_tensors(answer, 1)


def _shuffled(cache: Tensors, random: np.random.Generator) -> dict[str, Array]:
    """All keys and values of a cache, each (B, H, T, D), in one other order of T."""
    order = random.permutation(next(iter(cache.values())).shape[2])
    return {name: np.ascontiguousarray(part[:, :, order]) if part.ndim == 4 else part for name, part in cache.items()}


def _go_on(case: DecodeCase, oracle: Oracle, bench: Bench, factors: Factors, *caches: Tensors) -> list[Array]:
    """The logits of the case's last chunk after each of these caches."""
    tensors: dict[str, Array] = {}
    for index, cache in enumerate(caches):
        tensors |= {f"chunk.{index}": case.pieces()[-1], **given(cache, index)}
    parents = tuple(-2 - index for index in range(len(caches)))
    weights = case.seeded(bench.seeds, factors=factors)
    question = Decode(config=case.config, weights=weights, parents=parents, layers=len(keys_and_values(caches[0])) // 2)
    answer = oracle.ask(question, tensors)
    return [answer[f"logits.{index}"] for index in range(len(caches))]


CHECK = Check(
    id="cache-can-be-mixed",
    needs=MODEL_WORKS,
    cases=decode_cases(lengths=(3, 6), layers=(2, 3)),
    holds=holds,
    confirm=confirm,
    examples=3,
)
