"""Two grades side by side, for a terminal: of a submission that has changed, and of one that is graded again."""

from collections.abc import Iterator, Sequence

from grader.files.printable import one_line, printable
from grader.report import terminal
from grader.report.terminal import Paint, plain
from grader.report.verdict import DOES_NOT_RUN, first_failing, is_full, stops, waits_for_the_code, what_was_seen
from grader.report.words import OUTCOME, STATUS, number
from grader.result.recheck import Compared, ItemComparison, Recheck, recheck
from grader.result.record import ItemResult, Outcome, Result

WIDTH = 80
FAILS = (Outcome.FAILED, Outcome.BROKEN, Outcome.TIMED_OUT)


def render_change(files: Sequence[str], before: Result, after: Result, paint: Paint = plain) -> str:
    """The files that changed, the score, and each item whose verdict did; at most 80 columns."""
    return "".join(f"{line}\n" for line in _change_lines(files, before, after, paint))


def render_overtaken(files: Sequence[str]) -> str:
    """That a grade was given up for newer files; one line of at most 80 columns, with a time before it."""
    return f"{terminal.clip(one_line(', '.join(files)), WIDTH - 40)} saved meanwhile: grading anew\n"


def _change_lines(files: Sequence[str], before: Result, after: Result, paint: Paint) -> Iterator[str]:
    named = one_line(", ".join(files))
    score = f"{number(after.score)} of {number(after.max_score)}{difference(after.score - before.score)}"
    yield f"{terminal.clip(named, WIDTH - 30)}: {score}"
    for stop in stops(after):
        for line in terminal.wrap(f"{DOES_NOT_RUN}: {one_line(stop.headline)}", WIDTH - 2, 2):
            yield f"  {line}"
        for line in stop.excerpt.splitlines():
            yield f"      {terminal.clip(line, WIDTH - 6).rstrip()}"
    changed = [item for item in recheck(before, after).items if not item.same]
    if not changed:
        yield "  Nothing changed in the verdict."
    for item in changed:
        if item.here is not None:
            yield from _change_item(item, item.here, paint)


def render_item_change(item: ItemComparison, paint: Paint) -> Iterator[str]:
    """The lines on one item whose verdict is another; one that is not graded any more says so."""
    if item.here is None:
        yield f"  - {terminal.pad(one_line(item.title), 40)} not graded"
    else:
        yield from _change_item(item, item.here, paint)


def _change_item(item: ItemComparison, here: ItemResult, paint: Paint) -> Iterator[str]:
    was = item.recorded.score if item.recorded is not None else 0.0
    label = STATUS[here.status]
    score = f"{number(here.score)} of {number(here.max_score)}{difference(here.score - was)}"
    word = paint(terminal.pad(label.word, 15), label.tone)
    yield f"  {paint(label.symbol, label.tone)} {terminal.pad(one_line(item.title), 40)} {word} {score}"
    moved = ", ".join(_moved(item))
    if moved:
        yield f"    {moved}"
    check = None if is_full(here) or waits_for_the_code(here) else first_failing(here)
    if check is not None:
        for line in terminal.wrap(one_line(what_was_seen(check)), WIDTH - 4, 2):
            yield f"    {line}"


def _moved(item: ItemComparison) -> Iterator[str]:
    """How many checks came to pass, and how many ceased to; what waits counts as neither."""
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


SAME, DIFFERS = ("same", "good"), ("differs", "bad")
SHOWN = 16  # hexadecimal digits of a hash


def render_recheck(found: Recheck, paint: Paint = plain) -> str:
    """What both grades rest on, each item, and whether the verdict holds; at most 80 columns."""
    return "\n".join(_recheck_lines(found, paint)) + "\n"


def _recheck_lines(found: Recheck, paint: Paint) -> Iterator[str]:
    yield "Recorded, and graded again:"
    yield ""
    for origin in found.origins:
        yield from _origin(origin, paint)
    yield ""
    for item in found.items:
        yield from _recheck_item(item, paint)
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


def _recheck_item(item: ItemComparison, paint: Paint) -> Iterator[str]:
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
