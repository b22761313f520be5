"""What a change of the code did to its grade, for a terminal."""

from collections.abc import Iterator, Sequence

from grader.files.printable import one_line
from grader.report import columns
from grader.report.paint import Paint, plain
from grader.report.verdict import DOES_NOT_RUN, first_failing, is_full, stops, waits_for_the_code, what_was_seen
from grader.report.words import STATUS, number
from grader.result.recheck import ItemComparison, recheck
from grader.result.record import ItemResult, Outcome, Result

WIDTH = 80
FAILS = (Outcome.FAILED, Outcome.BROKEN, Outcome.TIMED_OUT)


def render_change(files: Sequence[str], before: Result, after: Result, paint: Paint = plain) -> str:
    """The files that changed, the score, and each item whose verdict did; at most 80 columns."""
    return "".join(f"{line}\n" for line in _lines(files, before, after, paint))


def render_overtaken(files: Sequence[str]) -> str:
    """That a grade was given up for newer files; one line of at most 80 columns, with a time before it."""
    return f"{columns.clip(one_line(', '.join(files)), WIDTH - 40)} saved meanwhile: grading anew\n"


def _lines(files: Sequence[str], before: Result, after: Result, paint: Paint) -> Iterator[str]:
    named = one_line(", ".join(files))
    score = f"{number(after.score)} of {number(after.max_score)}{difference(after.score - before.score)}"
    yield f"{columns.clip(named, WIDTH - 30)}: {score}"
    for stop in stops(after):
        for line in columns.wrap(f"{DOES_NOT_RUN}: {one_line(stop.headline)}", WIDTH - 2, 2):
            yield f"  {line}"
        for line in stop.excerpt.splitlines():
            yield f"      {columns.clip(line, WIDTH - 6).rstrip()}"
    changed = [item for item in recheck(before, after).items if not item.same]
    if not changed:
        yield "  Nothing changed in the verdict."
    for item in changed:
        if item.here is not None:
            yield from _item(item, item.here, paint)


def render_item_change(item: ItemComparison, paint: Paint) -> Iterator[str]:
    """The lines on one item whose verdict is another; one that is not graded any more says so."""
    if item.here is None:
        yield f"  - {columns.pad(one_line(item.title), 40)} not graded"
    else:
        yield from _item(item, item.here, paint)


def _item(item: ItemComparison, here: ItemResult, paint: Paint) -> Iterator[str]:
    was = item.recorded.score if item.recorded is not None else 0.0
    label = STATUS[here.status]
    score = f"{number(here.score)} of {number(here.max_score)}{difference(here.score - was)}"
    word = paint(columns.pad(label.word, 15), label.tone)
    yield f"  {paint(label.symbol, label.tone)} {columns.pad(one_line(item.title), 40)} {word} {score}"
    moved = ", ".join(_moved(item))
    if moved:
        yield f"    {moved}"
    check = None if is_full(here) or waits_for_the_code(here) else first_failing(here)
    if check is not None:
        for line in columns.wrap(one_line(what_was_seen(check)), WIDTH - 4, 2):
            yield f"    {line}"


def _moved(item: ItemComparison) -> Iterator[str]:
    """How many checks came to pass, and how many ceased to; of what waits, nobody knows whether it does."""
    now = sum(change.here is Outcome.PASSED for change in item.checks)
    before = sum(change.recorded is Outcome.PASSED and change.here in FAILS for change in item.checks)
    if now:
        yield f"{now} more check{'s pass' if now > 1 else ' passes'}"
    if before:
        yield f"{before} that passed {'do' if before > 1 else 'does'} no longer"


def difference(points: float, *, brackets: bool = True) -> str:
    """Points gained or lost, with their sign; nothing for none."""
    points = round(points, 2)
    if not points:
        return ""
    signed = f"{'+' if points > 0 else '-'}{number(abs(points))}"
    return f" ({signed})" if brackets else signed
