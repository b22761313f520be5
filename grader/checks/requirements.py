"""What several checks require of an answer, in the same words: logits of the right shape, of which the right rows move;
nothing that a call leaves behind; a refusal of what is wrong."""

import re
from collections.abc import Collection, Iterable
from typing import Final

import numpy as np

from grader.checks.check import CheckFailed, Context
from grader.checks.compare import TOLERANCES, differing, same_bits
from grader.packages.trouble import PackageRaised
from grader.result.record import TokenGrid
from grader.sandbox.questions import AnyQuestion
from grader.sandbox.wire import Array, Tensors

Place = tuple[int, int]
"""(row, position)"""


def places(marked: Array) -> list[Place]:
    """Where (B, T) is true."""
    return [(int(row), int(t)) for row, t in np.argwhere(marked)]


def altered(tokens: Array, into: Array, *, moved: Iterable[Place] = (), wrong: Iterable[Place] = ()) -> TokenGrid:
    """The grid of tokens (B, T) of which some were replaced by those of ``into`` (B, T), with what the logits did."""
    changed = places(tokens != into)
    return TokenGrid(
        tokens=tuple(map(tuple, tokens.tolist())),
        changed=tuple(changed),
        replaced_by=tuple(int(into[place]) for place in changed),
        moved=tuple(moved),
        wrong=tuple(wrong),
    )


def logits_of(answer: Tensors, name: str, tokens: Array, width: int | None = None) -> Array:
    """The logits of that name, if there is one floating-point vector for each token (B, T)."""
    logits = answer[name]
    if logits.shape[:-1] != tokens.shape or logits.dtype.kind != "f" or width not in (None, logits.shape[-1]):
        raise CheckFailed(
            "shape",
            f"tokens of shape {tuple(tokens.shape)} give a vector of scores each",
            f"they give {logits.dtype} of shape {tuple(logits.shape)}",
        )
    return logits


def beyond_rounding(actual: Array, expected: Array) -> Array:
    """(B, T) bool: which rows of float64 logits (B, T, V) moved by more than rounding. NaN moves nothing."""
    scale = np.nanmax(np.abs(expected), initial=1e-30)
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(actual - expected).max(axis=-1)
    moved: Array = distance > TOLERANCES["movement beyond rounding"].relative * scale
    return moved


def moved_rows(actual: Array, expected: Array) -> list[Place]:
    """(row, position) of each logits vector whose bits differ; both (B, T, V)."""
    if actual.shape != expected.shape or actual.ndim != 3 or actual.dtype != expected.dtype:
        raise CheckFailed(
            "shape",
            "logits have shape (B, T, V) whatever the tokens are",
            f"shapes {tuple(expected.shape)} and {tuple(actual.shape)} for the same sizes",
        )
    return places(np.asarray(differing(actual, expected).any(axis=-1)))


WORDS: Final = {
    "rng": "the state of torch's random generator",
    "python": "the state of Python's random generator",
    "trains": "which parameters need a gradient",
}


def require_no_trace(claim: str, answer: Tensors, *, where: str, free: Collection[str] = ()) -> None:
    """Require that all that was looked at before a call is the same after it, but for what is free to change.

    Args:
        where: the call, as the message names it.
    """
    for name in (name for name in answer if name.startswith("before.")):
        what = name.removeprefix("before.")
        kind = what.split(".")[0]
        after = answer.get(f"after.{what}")
        if kind in free or (after is not None and same_bits(after, answer[name])):
            continue
        seen = f"{where} changes {_in_words(what, answer[name], after)}"
        raise CheckFailed(f"trace-{kind}", claim, seen)


def _in_words(what: str, before: Array, after: Array | None) -> str:
    kind, _, name = what.partition(".")
    if kind == "mode" and after is not None and after.shape == before.shape:
        return f"the mode of {int(np.sum(before != after))} of {before.size} modules"
    if kind == "settings" and after is not None:
        return f"torch's settings to: {text(after)}"
    return WORDS.get(kind) or (f"the gradient of {name}" if kind == "grad" else name or kind)


def require_settings_kept(answer: Tensors, file: str) -> None:
    """Require that importing a file has left torch's settings alone."""
    changed = text(answer["settings.import"])
    if changed:
        raise CheckFailed(
            "trace-import",
            f"importing {file} changes none of torch's settings",
            f"once it is imported they are: {changed}",
        )


def require_inputs_kept(claim: str, what: str, given: Array, after: Array) -> None:
    """Require that a tensor that was passed in has the values that it had."""
    if not same_bits(after, given):
        raise CheckFailed("trace-input", claim, f"the {what} that were passed in have other values afterwards")


def text(array: Array) -> str:
    """Bytes as the text that they are."""
    return array.tobytes().decode()


def must_refuse(
    context: Context, question: AnyQuestion, tensors: Tensors, what: str, values: tuple[int, ...] = ()
) -> None:
    """Require a ValueError; what is not built yet may say so instead.

    Args:
        values: the numbers that are wrong together; the message has to name one of them.
    """
    claim = f"{what} is a ValueError"
    try:
        context.ask(question, tensors)
    except PackageRaised as raised:
        if raised.is_a("ValueError"):
            if values and not {str(value) for value in values} & set(re.findall(r"\d+", raised.raised.message)):
                claim = f"the ValueError for {what} has the value in it"
                raise CheckFailed("no-value", claim, f"it says {raised.raised.message!r}") from None
            return
        if raised.unbuilt:
            raise
        raise CheckFailed("other-error", claim, f"it raised {raised}") from None
    raise CheckFailed("no-error", claim, "no error was raised")
