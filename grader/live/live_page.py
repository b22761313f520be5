"""The live page: what it shows now, what a grade of ``grader watch`` puts on it, and the page as it is first loaded.

The thread that grades changes it, and the thread that serves reads it.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from msgspec import structs

from grader import report
from grader.files.printable import one_line, printable
from grader.report import render_html, words
from grader.report.page_parts import content_policy, diff_lines, score_curve
from grader.report.text import Command
from grader.report.verdict import first_step, stops
from grader.result.audience import for_audience
from grader.result.recheck import recheck
from grader.result.record import (
    STOPPED,
    Audience,
    CheckResult,
    Feedback,
    FileChange,
    FollowUp,
    ItemResult,
    Outcome,
    Result,
    Role,
)
from grader.submission.diff import changes
from grader.submission.read import Submission

FAILING: Final = (Outcome.FAILED, Outcome.BROKEN, Outcome.TIMED_OUT)
MOST_PRINTED: Final = 5  # checks whose output stands at the side
MOST_LINES: Final = 30  # of each
CURVE_WIDTH: Final = 340  # about that of the column at the side
MOST_SAVES: Final = 300  # that the line of scores goes back
_FOLDER = Path(__file__).parent
_REPORT = Path(report.__file__).parent


class Phase(StrEnum):
    """What is being done about the files as they are now."""

    GRADING = "grading"
    COMPARING = "comparing"  # all checks are done; whole runs are compared with the solution's
    EXPLAINING = "explaining"  # the verdict is there; the smallest failing cases are looked for
    GRADED = "graded"
    WAITING = "waiting"  # for files that can be read
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One state of the page.

    Attributes:
        number: grows with every change.
        title: of the window.
        since: when this phase began, in seconds since the epoch.
        note: what keeps it waiting; empty in other phases.
        report: the report's markup, without the page around it; empty before the first grade.
        side: the markup of what stands beside it.
    """

    number: int = 0
    title: str = "grader watch"
    phase: Phase = Phase.GRADING
    since: float = 0.0
    note: str = ""
    report: str = ""
    side: str = ""


class Board:
    """Keeps the newest view, and calls its listeners at each change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._view = View()
        self._listeners: set[Callable[[], None]] = set()

    @property
    def view(self) -> View:
        """As it is now."""
        return self._view

    def change(self, **fields: object) -> None:
        """Show something else: fields of ``View``."""
        with self._lock:
            self._view = replace(self._view, **fields, number=self._view.number + 1)  # type: ignore[arg-type]
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener``, in whatever thread, after each change; returns what ends that."""
        with self._lock:
            self._listeners.add(listener)

        def end() -> None:
            with self._lock:
                self._listeners.discard(listener)

        return end


class Printed(NamedTuple):
    """What the code printed during one check; ``more`` lines are left out."""

    title: str
    text: str
    more: int


class Next(NamedTuple):
    """The item to go on with.

    Attributes:
        place: its number on the page; 0 where it has none.
        taken: the hints for it that were shown.
        of: how many there are.
        command: that asks for the next one; empty where there is none left.
    """

    title: str
    place: int
    taken: tuple[str, ...]
    of: int
    command: str


class Shown(NamedTuple):
    """What the page is about.

    Attributes:
        before: the verdict on the save before.
        sources: what has changed since then.
        so_far: whether the result is a first look.
        given_up: whether it stays one, since the files were saved over meanwhile.
    """

    result: Result
    before: Result | None
    sources: Sequence[FileChange]
    so_far: bool
    given_up: bool = False


@dataclass(slots=True)
class LivePage:
    """The page of one ``grader watch``.

    Attributes:
        command: how the hint for an item is asked for, by its id; None where no hints are shown.
        feedback: how much of a result is shown; None for what the result says.
        when_stopped: the hints for code that does not run.
        hints: how many hints were shown, by item, read anew at each call.
        scores: of earlier grades, each with what is said of it.
        end: when the clock's time is up, in seconds since the epoch; None where no clock was set.
    """

    board: Board
    command: Command | None
    when_stopped: tuple[str, ...]
    hints: Callable[[], Mapping[str, int]]
    scores: list[tuple[str, float]]
    end: float | None
    minutes: int | None
    feedback: Feedback | None = None
    _whole: Result | None = None  # of the last verdict, and as a learner may see it
    _result: Result | None = None
    _files: Mapping[str, str] | None = None
    _shown: Shown | None = None
    _shown_hints: Mapping[str, int] = field(default_factory=dict)

    def grading(self) -> None:
        """A grade has begun."""
        if self.board.view.phase is not Phase.GRADING or not self.board.view.since:
            self._leave(Phase.GRADING)

    def waiting(self, trouble: str) -> None:
        """The files cannot be read."""
        self._leave(Phase.WAITING, one_line(trouble))

    def _leave(self, phase: Phase, note: str = "") -> None:
        """Leave what is shown as it is, but for a first look that no verdict will follow."""
        side = {}
        if self._shown is not None and self._shown.so_far and not self._shown.given_up:
            self._shown = self._shown._replace(given_up=True)
            side = {"side": self._side(self._shown)}
        self.board.change(phase=phase, since=time.time(), note=note, **side)

    def first_look(self, submission: Submission, result: Result) -> None:
        """All checks are done; what whole runs say comes later."""
        self._show(Phase.COMPARING, self._beside(submission, _still_open(result, self._whole), so_far=True))

    def graded(self, submission: Submission, result: Result) -> None:
        """There is a verdict; the smallest failing cases come later."""
        self.scores.append((f"{words.number(result.score)} at {time.strftime('%H:%M:%S')}", result.score))
        self._show(Phase.EXPLAINING, self._beside(submission, result))
        self._whole, self._result, self._files = result, self._learners(result), submission.files

    def explained(self, result: Result | None) -> None:
        """The same verdict with everything; None where the files were saved over meanwhile."""
        if result is not None:
            assert self._shown is not None
            self._whole, self._result = result, self._learners(result)
            self._show(Phase.GRADED, self._shown._replace(result=self._result))

    def look(self) -> None:
        """Show what may have changed without a save: the hints that were shown."""
        if self._shown is not None and self.hints() != self._shown_hints:
            self.board.change(side=self._side(self._shown))

    def _beside(self, submission: Submission, result: Result, *, so_far: bool = False) -> Shown:
        sources = changes(self._files, submission.files) if self._files is not None else ()
        return Shown(self._learners(result), self._result, sources, so_far)

    def _show(self, phase: Phase, shown: Shown) -> None:
        self._shown = shown
        result = shown.result
        score = f"{words.number(result.score)} of {words.number(result.max_score)}{' so far' if shown.so_far else ''}"
        self.board.change(
            phase=phase,
            since=time.time(),
            note="",
            title=f"{score}: {result.candidate.name}",
            report=_body(render_html(_without_hints(result), so_far=shown.so_far)),
            side=self._side(shown),
        )

    def _side(self, shown: Shown) -> str:
        self._shown_hints = self.hints()
        result, before = shown.result, shown.before
        scores = self.scores[-MOST_SAVES:]
        printed = list(_printed(result))
        return (
            environment()
            .get_template("side.jinja")
            .render(
                result=result,
                before=before,
                change=result.score - before.score if before is not None else 0.0,
                items=[item for item in recheck(before, result).items if not item.same] if before is not None else (),
                sources=shown.sources,
                so_far=shown.so_far,
                given_up=shown.given_up,
                drawn=score_curve(scores, result.max_score, CURVE_WIDTH) if len(scores) > 1 else None,
                next=self._next(result),
                printed=printed[:MOST_PRINTED],
                more_printed=len(printed[MOST_PRINTED:]),
                titles={check.id: check.title for item in result.items for check in item.checks},
                failing=FAILING,
                label=words.STATUS,
                diff_lines=diff_lines,
                end=self.end,
                minutes=self.minutes,
            )
        )

    def _next(self, result: Result) -> Next | None:
        item = first_step(result)
        if stopped := stops(result):
            return self._next_hint(f"Make {stopped[0].files[0]} run", 0, STOPPED, self.when_stopped)
        if item is None:
            return None
        place = [each.id for each in result.items].index(item.id) + 1
        return self._next_hint(item.title, place, item.id, item.hints)

    def _next_hint(self, title: str, place: int, name: str, hints: Sequence[str]) -> Next:
        taken = tuple(hints[: self._shown_hints.get(name, 0)])
        command = self.command(name) if self.command is not None and len(taken) < len(hints) else ""
        return Next(title, place, taken, len(hints), command)

    def _learners(self, result: Result) -> Result:
        return for_audience(result, Audience.LEARNER, self.feedback)


def _still_open(result: Result, before: Result | None) -> Result:
    """A first look, which says nothing of what only whole runs tell: an item of which every check says what it said
    before stays as it was, and no other is called identical yet."""
    known = {item.id: item for item in before.items} if before is not None else {}
    items = tuple(
        known[item.id] if item.id in known and _checked(known[item.id]) == _checked(item) else _not_compared(item)
        for item in result.items
    )
    score = round(sum(item.score for item in items), 2)
    return structs.replace(result, items=items, score=score, remaining_bugs=None)


def _checked(item: ItemResult) -> list[tuple[str, Outcome]]:
    return [(check.id, check.outcome) for check in item.checks if check.role is not Role.EXACT]


def _not_compared(item: ItemResult) -> ItemResult:
    open_ = {"outcome": Outcome.NOT_JUDGED, "message": "it is still being compared"}
    checks = (structs.replace(check, **open_) if _is_identical(check) else check for check in item.checks)
    return structs.replace(item, checks=tuple(checks))


def _is_identical(check: CheckResult) -> bool:
    return check.role is Role.EXACT and check.outcome is Outcome.PASSED


def _without_hints(result: Result) -> Result:
    """The result as the page shows it: hints are counted, and so are shown where they are asked for."""
    return structs.replace(
        result,
        items=tuple(structs.replace(item, hints=()) for item in result.items),
        followups=tuple(structs.replace(each, hints=()) for each in result.followups),
    )


def _body(page: str) -> str:
    """What stands in the body of a report. Texts in it are escaped, so that none of them ends it."""
    return page.partition("<body>")[2].rpartition("</body>")[0]


def _printed(result: Result) -> "list[Printed]":
    """What the code printed, those checks first that did not pass; what several saw alike is shown once."""
    checks: list[CheckResult] = []
    parts: list[ItemResult | FollowUp] = [*result.items, *result.followups]
    for part in parts:
        checks += [check for check in part.checks if check.output.strip()]
    checks.sort(key=lambda check: check.outcome is Outcome.PASSED)
    once = {check.output: check for check in reversed(checks)}
    return [_beginning(check) for check in checks if once.get(check.output) is check]


def _beginning(check: CheckResult) -> Printed:
    lines = printable(check.output).splitlines()
    return Printed(check.title, "\n".join(islice(lines, MOST_LINES)), max(len(lines) - MOST_LINES, 0))


def render_shell(view: View) -> str:
    """The whole page. What it shows of a submission was escaped when its parts were rendered."""
    return (
        environment()
        .get_template("live.html.jinja")
        .render(
            view=view,
            report=Markup(view.report),
            side=Markup(view.side),
            stylesheet=Markup(_stylesheet()),
            script=Markup(_script()),
        )
    )


def policy() -> str:
    """What the page may do: hold its own style and script, and ask its own server."""
    return f"{content_policy(_stylesheet(), _script())}; connect-src 'self'; frame-ancestors 'none'"


@cache
def environment() -> Environment:
    """Of all templates of the live page, which use some of the report's."""
    made = Environment(
        loader=FileSystemLoader([_FOLDER, _REPORT]),
        autoescape=True,  # not select_autoescape: it leaves `.jinja` unescaped
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = words.number
    return made


@cache
def _stylesheet() -> str:
    return "".join(file.read_text("utf-8") for file in (_REPORT / "report.css", _FOLDER / "live.css"))


@cache
def _script() -> str:
    return (_FOLDER / "live.js").read_text("utf-8")
