"""What stands in the place of padding changes nothing, be it tokens of a chunk or what is cached behind a row's end.

## Why it matters
Padding is whatever was there: another prompt's tokens, memory that nobody has cleared. If it is read, an answer depends
on it, and no test that always pads with zeros will say so.

## Usual causes
- Keys of padding are left open to the queries, of the same chunk or of the next.
- What is masked has its score lowered by some large number, and a larger one beats it.
- The slots behind a row's end are taken for tokens, since a longer row has some there.
"""

from typing import Final

import numpy as np

from grader.checks.cache.agreement import closeness
from grader.checks.cache.cache_travels import cache_tensors, given
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.ragged.cases import CACHE_WORKS, RaggedCase, ragged_cases
from grader.sandbox.questions import Decode
from grader.sandbox.wire import Array, Tensors

HUGE: Final = 1e30  # finite, so that zero times it is zero, and so far within float32 that scores do not overflow


def holds(case: RaggedCase, context: Context) -> None:
    """Other tokens for padding; then huge numbers in the cache behind the end of each row."""
    last = len(case.lengths) - 1
    twice = case.in_turn(context.seeds, keep=(last - 1,))
    parents = (*twice.parents, *(-1 if parent < 0 else parent + last + 1 for parent in twice.parents))
    question = Decode(config=twice.config, weights=twice.weights, parents=parents, keep=twice.keep)
    others = [case.step(last + 1 + i, i, shift=1) for i in range(last + 1)]
    answer = context.ask(question, case.steps() | {name: array for step in others for name, array in step.items()})
    for i in range(last + 1):
        _must_stay(
            case, answer, (f"logits.{i}", f"logits.{last + 1 + i}"), i, "padding-read", "other tokens as padding"
        )
    _must_stand_poison(case, context, cache_tensors(answer, last - 1))


def _must_stand_poison(case: RaggedCase, context: Context, cache: Tensors) -> None:
    """The last chunk, read with a cache as it was and with one that is poisoned."""
    last = len(case.lengths) - 1
    question = Decode(config=case.config, weights=case.seeded(context.seeds), parents=(-2, -3), layers=len(cache) // 2)
    poisoned = {name: _poisoned(case, name, array) for name, array in cache.items()}
    tensors = case.step(0, last) | case.step(1, last) | given(cache) | given(poisoned, 1)
    answer = context.ask(question, tensors)
    what = f"{HUGE:g} in the cache behind the end of each row"
    _must_stay(case, answer, ("logits.0", "logits.1"), last, "poison-read", what)


def _poisoned(case: RaggedCase, name: str, array: Array) -> Array:
    """Keys or values (B, H, T, D) that are huge, of either sign, behind the end of each row."""
    if name == "lengths":
        return array
    if array.ndim != 4 or len(array) != len(case.tokens):
        raise CheckFailed("cache-shape", "cached keys and values have shape (B, H, T, D)", "they have another")
    poisoned = array.copy()
    for row, total in enumerate(case.totals(len(case.lengths) - 1)):
        behind = poisoned[row, :, total:]
        behind[...] = HUGE * np.cos(np.pi * np.arange(behind.size)).reshape(behind.shape)
    return poisoned


def _must_stay(case: RaggedCase, answer: Tensors, names: tuple[str, str], chunk: int, kind: str, what: str) -> None:
    before, after = (case.real_logits(answer, name, chunk) for name in names)
    if closeness(after, before) is None:
        raise CheckFailed(
            kind,
            "padding is never read: the logits of real tokens do not depend on what stands there",
            f"read in chunks of {case.told()} tokens, one number a row: with {what}, real tokens have other logits",
            grid=case.grid(),
        )


CHECK = Check(
    id="ragged-padding-is-ignored",
    cases=ragged_cases(),
    holds=holds,
    needs=CACHE_WORKS,
    examples=4,
)
