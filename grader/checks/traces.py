"""What a call leaves behind, in words: the state before it beside the state after it."""

from collections.abc import Collection
from typing import Final

import numpy as np

from grader.checks.check import CheckFailed
from grader.checks.compare import same_bits
from grader.sandbox.wire import Array, Tensors

WORDS: Final = {"rng": "the state of torch's random generator", "python": "the state of Python's random generator"}


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
