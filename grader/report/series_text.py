"""Several results of one exercise side by side, for a terminal."""

from collections.abc import Iterator
from typing import Final

from grader.files.printable import one_line, printable
from grader.report import terminal
from grader.report.diff_lines import diff_lines
from grader.report.terminal import Paint, plain
from grader.report.two_grades import difference, render_item_change
from grader.report.words import STATUS, number
from grader.result.record import FileChange
from grader.result.series import Named, Row, Series, Step, divergence

WIDTH: Final = 80
MOST_COLUMNS: Final = 3  # of results beside each other; of more, only the first and the last
MOST_LINES: Final = 40  # of a diff
_CELL, _CHANGE = 13, 7
_TONES: Final = {"added": "good", "removed": "bad"}


def render_series(found: Series, paint: Paint = plain) -> str:
    """The results, their items, where each first parts from the solution, and each step; at most 80 terminal."""
    return "".join(f"{line}\n" for line in _lines(found, paint))


def letter(number: int) -> str:
    """A short name for a result: A to Z, then 27 and so on."""
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def _lines(found: Series, paint: Paint) -> Iterator[str]:
    yield from terminal.wrap(one_line(found.results[0].result.exercise.title), WIDTH, 2)
    yield ""
    for index, named in enumerate(found.results):
        yield from _result(index, named)
    yield ""
    yield from _table(found, paint)
    yield ""
    yield "First divergence from the solution, of each one's own training run"
    for index, named in enumerate(found.results):
        first, *more = terminal.wrap(one_line(divergence(named.result)), WIDTH - 6, 3)
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
        yield _row(row, shown, title, paint)
    scores = "".join(number(found.results[index].result.score).rjust(_CELL) for index in shown)
    yield f"  {terminal.pad('Score', title)}{scores}{difference(found.change, brackets=False):>{_CHANGE}}".rstrip()


def _is_begun(row: Row) -> bool:
    """Whether a follow-up has points anywhere: they are optional."""
    return any(cell is not None and cell.score for cell in row.cells)


def _row(row: Row, shown: list[int], title: int, paint: Paint) -> str:
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
