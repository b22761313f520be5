"""The plain words, symbols and tones for everything that a result can say."""

import math
from typing import Final, NamedTuple

from grader.files.printable import printable
from grader.result.record import CheckResult, ItemResult, Lane, Outcome, Role, Scope, Status

_BRIEF: Final = 140  # characters


class Label(NamedTuple):
    """One verdict in three ways at once, so that none of them carries the meaning alone."""

    word: str
    symbol: str
    tone: str  # a class of the stylesheet: "good", "part", "bad", "wait" or "open"


STATUS = {
    Status.FIXED: Label("Fixed", "✓", "good"),
    Status.PARTLY: Label("Partly", "◐", "part"),
    Status.NOT_FIXED: Label("Not fixed", "✗", "bad"),
    Status.BUILT: Label("Built", "✓", "good"),
    Status.NOT_BUILT: Label("Not built", "✗", "bad"),
    Status.WRONG: Label("Wrong", "✗", "bad"),
    Status.WAITS: Label("Waits", "⊘", "wait"),
    Status.NOT_JUDGED: Label("Could not judge", "?", "open"),
}

OUTCOME = {
    Outcome.PASSED: Label("Passed", "✓", "good"),
    Outcome.FAILED: Label("Failed", "✗", "bad"),
    Outcome.BROKEN: Label("Crashed", "!", "bad"),
    Outcome.TIMED_OUT: Label("Ran out of time", "◔", "bad"),
    Outcome.BLOCKED: Label("Waits", "⊘", "wait"),
    Outcome.NOT_JUDGED: Label("Could not judge", "?", "open"),
}

LANE = {
    Lane.BITWISE: "identical bit for bit",
    Lane.FLOAT64: "equal up to rounding order, checked in float64",
    Lane.FLOAT32: "equal up to float32 rounding, as with a softmax taken in float32",
    Lane.BEHAVIOUR: "no number-by-number match; judged by behaviour alone",
}

UNBUILT = Label("Not built", "✗", "bad")

WITH_BUG = {
    Lane.BITWISE: "bit for bit what the code with this bug computes",
    Lane.FLOAT64: "up to rounding, what the code with this bug computes",
    Lane.FLOAT32: "up to float32 rounding, what the code with this bug computes",
}


def lane(item: ItemResult) -> str:
    """How the item was compared, in words; nothing for what was not built and so not compared."""
    if item.status in (Status.NOT_BUILT, Status.WRONG, Status.WAITS, Status.NOT_JUDGED):
        return ""
    if item.status is Status.NOT_FIXED and item.lane in WITH_BUG:
        return WITH_BUG[item.lane]
    if item.status is Status.BUILT and item.lane is Lane.BEHAVIOUR:
        return "judged by what it does"
    return LANE[item.lane]


def label(check: CheckResult) -> Label:
    """What came of a check."""
    return UNBUILT if check.unbuilt else OUTCOME[check.outcome]


def number(value: float) -> str:
    """Points with at most two decimals, never rounded up: 99.999 must not read as 100."""
    if not math.isfinite(value):
        return "?"
    return f"{math.floor(value * 100 + 1e-6) / 100:.2f}".rstrip("0").rstrip(".")


def share(score: float, most: float) -> str:
    """How much of the points that is, in per cent, for a bar."""
    of_all = 100 * score / most if math.isfinite(score) and most > 0 else 0.0
    return f"{min(of_all, 100.0):.4g}"


def brief(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(printable(text).split())
    return line if len(line) <= _BRIEF else f"{line[: _BRIEF - 1]}…"


def scope(asked: Scope | None) -> str:
    """How far the questions about an item went: ``tested up to 96 tokens, 24 rows, ...``; empty without questions."""
    if asked is None:
        return ""
    counted = (
        (asked.tokens, "token"),
        (asked.rows, "row"),
        (asked.layers, "layer"),
        (asked.vocabulary, "word"),
        (asked.steps, "step"),
    )
    parts = [f"{count} {name}{'s' * (count != 1)}" for count, name in counted if count]
    if asked.width:
        parts.append(f"width {asked.width}")
    if asked.modes:
        parts.append("in both modes" if len(asked.modes) > 1 else f"in {asked.modes[0]} mode")
    return f"tested up to {', '.join(parts)}" if parts else ""


def points(check: CheckResult) -> str:
    """What a check does to the points of its item, in words."""
    if check.max_score == 0:
        return "no points of its own"
    if check.role is Role.GUARD:
        return f"can only take points (up to {number(check.max_score)})"
    purpose = " for identical bits" if check.role is Role.EXACT else ""
    return f"{number(check.score)} of {number(check.max_score)} points{purpose}"


def when(text: str | None) -> str:
    """A time of a record, as 2026-11-29 19:04 UTC; anything else as it is."""
    if text is None:
        return ""
    return f"{text[:10]} {text[11:16]} UTC" if len(text) == 20 and text.endswith("Z") and text[10] == "T" else text
