"""Two grades of one submission side by side, for a terminal."""

from collections.abc import Iterator

from grader.files.printable import printable
from grader.report import terminal
from grader.report.terminal import Paint, plain
from grader.report.words import OUTCOME, STATUS, number
from grader.result.recheck import Compared, ItemComparison, Recheck
from grader.result.record import ItemResult, Outcome

WIDTH = 80
SAME, DIFFERS = ("same", "good"), ("differs", "bad")
SHOWN = 16  # hexadecimal digits of a hash


def render_recheck(found: Recheck, paint: Paint = plain) -> str:
    """What both grades rest on, each item, and whether the verdict holds; at most 80 columns."""
    return "\n".join(_lines(found, paint)) + "\n"


def _lines(found: Recheck, paint: Paint) -> Iterator[str]:
    yield "Recorded, and graded again:"
    yield ""
    for origin in found.origins:
        yield from _origin(origin, paint)
    yield ""
    for item in found.items:
        yield from _item(item, paint)
    for total in found.sums:
        if not total.same:
            yield from _origin(total, paint)
    yield ""
    yield from terminal.wrap(_conclusion(found), WIDTH, 3)


def _origin(origin: Compared, paint: Paint) -> Iterator[str]:
    if origin.same:
        yield _row(SAME, origin.what, printable(origin.here)[:SHOWN], paint)
        return
    yield _row(DIFFERS, origin.what, "", paint)
    yield f"           recorded {terminal.clip(printable(origin.recorded), 58)}"
    yield f"           here     {terminal.clip(printable(origin.here), 58)}"


def _item(item: ItemComparison, paint: Paint) -> Iterator[str]:
    if item.same:
        yield _row(SAME, printable(item.title), _verdict(item.here), paint)
        return
    yield _row(DIFFERS, printable(item.title), "", paint)
    yield f"           recorded {_verdict(item.recorded)}"
    yield f"           here     {_verdict(item.here)}"
    for check in item.checks:
        text = f"{printable(check.id)}: recorded {_outcome(check.recorded)}, here {_outcome(check.here)}"
        for line in terminal.wrap(text, WIDTH - 11, 2):
            yield f"           {line}"


def _row(label: tuple[str, str], what: str, value: str, paint: Paint) -> str:
    word, tone = label
    return f"  {paint(f'{word:8}', tone)} {terminal.pad(what, 42)} {value}".rstrip()


def _verdict(item: ItemResult | None) -> str:
    if item is None:
        return "not graded"
    return f"{number(item.score)} of {number(item.max_score)}, {STATUS[item.status].word}"


def _outcome(outcome: Outcome | None) -> str:
    return "not asked" if outcome is None else OUTCOME[outcome].word


def _conclusion(found: Recheck) -> str:
    if found.same:
        return "The verdict is the same."
    changed = {origin.what for origin in found.origins if not origin.same}
    if "candidate" in changed:
        return "This is not the submission that the result speaks of."
    if "exercise" in changed:
        return "This is not the exercise that the result speaks of; name the one that was used with --exercise."
    reasons = changed & {"grader", "environment", "time limit"}
    because = f" What it was reached with differs too: {', '.join(sorted(reasons))}." if reasons else ""
    return f"The verdict is not the same.{because}"
