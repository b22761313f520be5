"""Grades side by side: of a submission that has changed, of one that is graded again, and a series of them."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grader.files.printable import one_line, printable
from grader.report import terminal, words
from grader.report.page_parts import content_policy, diff_lines, score_curve
from grader.report.terminal import Paint, plain
from grader.report.verdict import DOES_NOT_RUN, first_failing, is_full, stops, waits_for_the_code, what_was_seen
from grader.report.words import OUTCOME, STATUS, number
from grader.result.recheck import Compared, ItemComparison, Recheck, recheck
from grader.result.record import Audience, FileChange, ItemResult, Outcome, Result
from grader.result.series import Named, Row, Series, Step, divergence, roughly

if TYPE_CHECKING:
    from jinja2 import Template

WIDTH: Final = 80
FAILS = (Outcome.FAILED, Outcome.BROKEN, Outcome.TIMED_OUT)
SAME, DIFFERS = ("same", "good"), ("differs", "bad")
SHOWN = 16  # hexadecimal digits of a hash

# Of a series, in a terminal.
MOST_COLUMNS: Final = 3  # of results beside each other; of more, only the first and the last
MOST_LINES: Final = 40  # of a diff
_CELL, _CHANGE = 13, 7
_TONES: Final = {"added": "good", "removed": "bad"}

# Of a series, on its page.
TEXT_LIMIT: Final = 40_000  # characters of one file's diff
CURVE_FROM: Final = 3  # results: of two there is no line worth drawing


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


def render_series(found: Series, paint: Paint = plain) -> str:
    """The results, their items, where each first parts from the solution, and each step; at most 80 terminal."""
    return "".join(f"{line}\n" for line in _series_lines(found, paint))


def letter(number: int) -> str:
    """A short name for a result: A to Z, then 27 and so on."""
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def _series_lines(found: Series, paint: Paint) -> Iterator[str]:
    yield from terminal.wrap(one_line(found.results[0].result.exercise.title), WIDTH, 2)
    yield ""
    for index, named in enumerate(found.results):
        yield from _result(index, named)
    yield ""
    yield from _table(found, paint)
    yield ""
    yield "First divergence from the solution, of each one's own training run"
    for index, named in enumerate(found.results):
        first, *more = terminal.wrap(one_line(divergence(named.result, roughly)), WIDTH - 6, 3)
        yield f"  {letter(index):2}  {first}"
        yield from (f"      {line}" for line in more)
    for index, step in enumerate(found.steps):
        yield ""
        yield from _step(index, step, paint)


def _result(index: int, named: Named) -> Iterator[str]:
    result = named.result
    score = f"{number(result.score)} of {number(result.max_score)}"
    yield f"  {letter(index):2}  {score:>10}  {terminal.clip(one_line(named.name), WIDTH - 18)}"


def _table(found: Series, paint: Paint) -> Iterator[str]:
    last = len(found.results) - 1
    shown = list(range(last + 1)) if last < MOST_COLUMNS else [0, last]
    head = "".join(letter(index).rjust(_CELL) for index in shown)
    title = WIDTH - 2 - _CELL * len(shown) - _CHANGE
    yield f"  {terminal.pad('Item', title)}{head}{'':{_CHANGE}}".rstrip()
    yield "  " + "─" * (WIDTH - 2)
    for row in (*found.items, *(row for row in found.followups if _is_begun(row))):
        yield _series_row(row, shown, title, paint)
    scores = "".join(number(found.results[index].result.score).rjust(_CELL) for index in shown)
    yield f"  {terminal.pad('Score', title)}{scores}{difference(found.change, brackets=False):>{_CHANGE}}".rstrip()


def _is_begun(row: Row) -> bool:
    """Whether a follow-up has points anywhere: they are optional."""
    return any(cell is not None and cell.score for cell in row.cells)


def _series_row(row: Row, shown: list[int], title: int, paint: Paint) -> str:
    cells = []
    for index in shown:
        cell = row.cells[index]
        if cell is None:
            cells.append("-".rjust(_CELL))
            continue
        label = STATUS[cell.status]
        text = f"{label.symbol} {number(cell.score)} of {number(cell.max_score)}"
        cells.append(" " * (_CELL - terminal.width(text)) + paint(text, label.tone))
    change = difference(row.change or 0.0, brackets=False)
    return f"  {terminal.pad(one_line(row.title), title)}{''.join(cells)}{change:>{_CHANGE}}".rstrip()


def _step(index: int, step: Step, paint: Paint) -> Iterator[str]:
    points = step.after.result.score - step.before.result.score
    yield f"{letter(index)} to {letter(index + 1)}{difference(points)}"
    for note in step.notes:
        yield from (f"  {line}" for line in terminal.wrap(f"Note: {note}", WIDTH - 2, 2))
    for item in step.items:
        yield from render_item_change(item, paint)
    for was, part in step.followups:
        label = STATUS[part.status]
        change = difference(part.score - (was.score if was is not None else 0.0))
        title = terminal.pad(one_line(part.title), 40)
        word = paint(terminal.pad(label.word, 15), label.tone)
        score = f"{number(part.score)} of {number(part.max_score)}{change}"
        yield f"  {paint(label.symbol, label.tone)} {title} {word} {score}"
    if not step.items and not step.followups:
        yield "  Nothing changed in the verdict."
    yield from _sources(step, paint)


def _sources(step: Step, paint: Paint) -> Iterator[str]:
    if step.sources is None:
        yield "  How the files differ cannot be said: a result does not hold what was changed."
        return
    for change in step.sources:
        yield f"  {terminal.clip(one_line(change.file), WIDTH - 24)} +{change.added} -{change.removed}{_kind(change)}"
        if change.left_out:
            yield "    What it changes in the starter is not kept whole, and cannot be compared."
            continue
        lines = diff_lines(change.diff, WIDTH * MOST_LINES).lines
        for line in lines[:MOST_LINES]:
            text = terminal.clip(printable(line.text).expandtabs(4), WIDTH - 4)
            yield f"    {paint(text, _TONES[line.kind]) if line.kind in _TONES else text}".rstrip()
        more = change.diff.count("\n") + 1 - len(lines[:MOST_LINES])
        if more > 0:
            yield f"    … {more} more lines; --html has them"


def _kind(change: FileChange) -> str:
    return ", new" if change.lines_before is None else ", gone" if change.lines_after is None else ""


def render_series_page(found: Series) -> str:
    """The series as a page: one file, no script, nothing loaded."""
    last = found.results[-1].result
    scores = [
        (f"{letter(index)}: {each.result.score:g}", each.result.score) for index, each in enumerate(found.results)
    ]
    return _template().render(
        found=found,
        title=last.exercise.title,
        instructor=any(each.result.audience is Audience.INSTRUCTOR for each in found.results),
        drawn=score_curve(scores, last.max_score) if len(scores) >= CURVE_FROM else None,
        text_limit=TEXT_LIMIT,
    )


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # costs more than all that a terminal is shown

    folder = Path(__file__).parent
    stylesheet = "".join((folder / name).read_text(encoding="utf-8") for name in ("report.css", "series.css"))
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,  # not select_autoescape: it leaves `.jinja` unescaped
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=words.number, one_line=one_line)
    environment.globals.update(
        stylesheet=stylesheet,
        policy=content_policy(stylesheet),
        label=words.STATUS,
        outcome=words.OUTCOME,
        letter=letter,
        divergence=divergence,
        diff_lines=diff_lines,
    )
    return environment.get_template("series.html.jinja")
